//! The trait `flags`.

use synward_wire::TcpFlags;

use crate::signature::SignatureError;
use crate::signature::text::Piece;

/// The flags that speak of ECN (RFC 3168, RFC 9768).
pub(crate) const ECN_FLAGS: TcpFlags =
    TcpFlags::new(TcpFlags::ECE.bits() | TcpFlags::CWR.bits() | TcpFlags::AE.bits());

/// The letter of each flag, in the order in which they are displayed: those that tell a SYN from a SYN-ACK, then the
/// others from the lowest bit on. AE keeps the letter of the nonce sum (RFC 3540), which had its bit before.
const LETTERS: [(char, TcpFlags); 12] = [
    ('S', TcpFlags::SYN),
    ('A', TcpFlags::ACK),
    ('F', TcpFlags::FIN),
    ('R', TcpFlags::RST),
    ('P', TcpFlags::PSH),
    ('U', TcpFlags::URG),
    ('E', TcpFlags::ECE),
    ('C', TcpFlags::CWR),
    ('N', TcpFlags::AE),
    ('X', TcpFlags::new(1 << 9)),
    ('Y', TcpFlags::new(1 << 10)),
    ('Z', TcpFlags::new(1 << 11)),
];

/// Letters in any order, none twice.
pub(super) fn read(piece: Piece<'_>) -> Result<TcpFlags, SignatureError> {
    piece.text.char_indices().try_fold(TcpFlags::default(), |flags, (at, letter)| {
        let fault = |message: String| {
            let start = piece.span().start + at;
            let help =
                "the letters are S A F R P U E C N, and X Y Z for the reserved flags, each at most once";
            SignatureError::new(start..start + letter.len_utf8(), message, help)
        };
        let flag = LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, flag)| *flag);
        match flag {
            None => Err(fault(format!("`{}` stands for no TCP flag", letter.escape_debug()))),
            Some(flag) if flags.contains(flag) => Err(fault(format!("the flag `{letter}` is given twice"))),
            Some(flag) => Ok(flags | flag),
        }
    })
}

pub(super) fn text(flags: TcpFlags) -> String {
    LETTERS.iter().filter(|(_, flag)| flags.contains(*flag)).map(|(letter, _)| *letter).collect()
}
