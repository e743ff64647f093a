; Signatures that no system has: every form of the grammar, and rivals for the same packet. p0f refuses a file in
; which an earlier specific signature covers a later one, so each of these matches something of its own.

classes = win,unix,other

[mtu]
label = Ethernet
sig   = 1500

[tcp:request]

; A generic one before a specific one, and a program before a system.
label = g:unix:Generic:first
sig   = *:64:0:*:*,*:mss,nop,nop,sok:df,id+:0
label = s:unix:Specific:second
sig   = *:64:0:1460:mss*4,*:mss,nop,nop,sok:df,id+:0
label = s:!:Program:fuzzy first
sys   = @unix,Specific
sig   = *:64:0:*:%1024,0:mss,nop,ws:df,id+:0
label = s:unix:Second best:
sig   = *:64:0:*:%1000,0:mss,nop,ws:df:0
label = g:other:Last resort:with ; in it
sig   = *:128:0:*:*,0:mss,nop,ws:df,id+:0

; Each version, and neither: 3.09b does not compare it.
label = s:win:Version four:
sig   = 4:54+10:0:*:mtu*2,0:mss:df:0
label = s:win:Version six:
sig   = 6:255:0:*:mtu*4,0:mss:flow:0
label = s:win:Any version:
sig   = *:128:0:*:mtu*3,0:mss:df,id+,flow:0
sig   = *:128:0:0:0,0:::0
sig   = *:64-:0:*:mtu*5,0:mss:ecn:0

; IP options, payload, and the kinds without a name.
label = s:other:Oddities:of the header
sig   = 4:64:8:*:*,*:mss,?34,?253:0+:+
sig   = *:64:0:*:%2,*:?99,?1,?19,?2:seq-,ack+:*
sig   = *:255-:0:*:65535,15:mss,nop,ws,sack,nop,nop:exws:0
sig   = *:64:0:100:mss*44,0:mss,ts,nop,eol+4:ts1-,ts2+,opt+:0
sig   = *:64:0:*:1024,0:mss,sok,eol+5:opt+,pushf+,urgf+:0
sig   = *:32:0:*:512,0:nop,nop,eol+1:uptr+:0
sig   = 4:64:0:*:*,0:nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop::*
