//! The system calls that a thread may make (seccomp(2)). All others fail with EPERM.
//!
//! They fail, and do not kill: a call that is missing from these lists, because a library has begun to make it, is to cost one function
//! of the program, with an error in its log, and never the network behind it. What an attacker gains by trying twice is little.

use std::collections::BTreeMap;

use libc::{
    AF_NETLINK, AF_UNIX, AF_XDP, CLONE_THREAD, FIOCLEX, FIONBIO, PR_CAPBSET_DROP, PR_CAPBSET_READ,
    PR_GET_DUMPABLE, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, PR_SET_NAME, PR_SET_NO_NEW_PRIVS, PROT_EXEC, TCGETS,
};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// Whose system calls are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Worker,
    Control,
}

/// What the loop of a worker makes, and what it takes to end, in a panic too.
const WORKER: &[&[i64]] = &[
    // Frames: the kernel is told of a full tx ring, and of a fill ring that it waits for; sleep until frames come (poll is ppoll
    // elsewhere than on x86-64, see LEGACY).
    &[libc::SYS_sendto, libc::SYS_recvfrom, libc::SYS_ppoll],
    // Time: mostly read without a system call, but not with every clock of every machine.
    &[libc::SYS_clock_gettime, libc::SYS_clock_nanosleep, libc::SYS_nanosleep],
    // After SIGSTOP and SIGCONT, and after a debugger, the kernel goes on with a sleep by a call of its own.
    &[libc::SYS_restart_syscall],
    // Waking the other end of a channel, and being woken; locks of the allocator and of stderr.
    &[libc::SYS_futex, libc::SYS_sched_yield, libc::SYS_membarrier, libc::SYS_rseq],
    // Memory: the allocator, and the buffers when the worker ends. mmap and mprotect are in `memory`.
    &[libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_brk],
    // Words on stderr, those of a panic too; a hash map of the standard library draws its key.
    &[libc::SYS_write, libc::SYS_writev, libc::SYS_getrandom],
    // The end: sockets are closed, the signal stack is taken down. tgkill, of abort(3), is in `own_signals`.
    &[libc::SYS_close, libc::SYS_sigaltstack, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigaction],
    &[libc::SYS_rt_sigreturn, libc::SYS_set_robust_list, libc::SYS_getpid, libc::SYS_gettid],
    &[libc::SYS_exit, libc::SYS_exit_group],
];

/// What the control thread and its children make beside that.
const CONTROL: &[&[i64]] = &[
    // Lists, the configuration, /proc and /sys are read; landlock says which. The event log is appended to.
    &[libc::SYS_openat, libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_lseek],
    &[libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_statfs, libc::SYS_fstatfs],
    &[libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_readlinkat, libc::SYS_getcwd],
    &[libc::SYS_getdents64, libc::SYS_flock, libc::SYS_dup, libc::SYS_dup3],
    // The control socket is removed at the end, and so are pins in a bpffs.
    &[libc::SYS_unlinkat],
    // Clients of /metrics and of the control socket.
    &[libc::SYS_accept4, libc::SYS_accept, libc::SYS_shutdown, libc::SYS_getpeername, libc::SYS_getsockname],
    &[libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2],
    &[libc::SYS_eventfd2, libc::SYS_sendmsg, libc::SYS_recvmsg],
    // Ports: their statistics and those of their sockets, the sockets of a new worker. socket is in `sockets`.
    &[libc::SYS_bind, libc::SYS_getsockopt, libc::SYS_setsockopt],
    // Threads for reloads and new workers, each of which gives up more. clone is in `threads`; clone3 has a filter of its own, which
    // refuses it in a way that leads to clone.
    &[
        libc::SYS_clone3,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_getaffinity,
        libc::SYS_setpriority,
        libc::SYS_capget,
        libc::SYS_capset,
    ],
    &[libc::SYS_seccomp, libc::SYS_landlock_create_ruleset, libc::SYS_landlock_restrict_self],
    // What the process is: for its metrics, and for the decision who may ask.
    &[libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getppid],
    &[libc::SYS_uname, libc::SYS_sysinfo, libc::SYS_getrusage, libc::SYS_times, libc::SYS_gettimeofday],
];

/// The older forms of some of the above, which other processors never had and glibc still makes.
#[cfg(target_arch = "x86_64")]
mod legacy {
    pub(super) const WORKER: &[i64] = &[libc::SYS_poll];
    pub(super) const CONTROL: &[i64] = &[
        libc::SYS_epoll_wait,
        libc::SYS_open,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_access,
        libc::SYS_readlink,
        libc::SYS_unlink,
        libc::SYS_rmdir,
        libc::SYS_dup2,
    ];
}
#[cfg(not(target_arch = "x86_64"))]
mod legacy {
    pub(super) const WORKER: &[i64] = &[];
    pub(super) const CONTROL: &[i64] = &[];
}

/// The commands of bpf(2) (linux/bpf.h) that work on what is loaded: BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM,
/// BPF_MAP_GET_NEXT_KEY, BPF_OBJ_GET_INFO_BY_FD, BPF_LINK_UPDATE, BPF_LINK_DETACH. No program is loaded, no map made, nothing attached.
const BPF_COMMANDS: [u64; 7] = [1, 2, 3, 4, 15, 29, 34];

/// The class of ioctls that are of sockets: 0x89 in their second byte (asm-generic/sockios.h, linux/sockios.h).
const SOCKET_IOCTLS: (u64, u64) = (0xffff_ff00, 0x8900);

/// System calls, each with the arguments that it may have: any of the rules, or whatever it likes if there is none.
type Calls = BTreeMap<i64, Vec<SeccompRule>>;

/// Filters the system calls of this thread, and of those that it starts.
pub(super) fn apply(role: Role) -> Result<(), String> {
    apply_filters(role).map_err(|error| error.to_string())
}

fn apply_filters(role: Role) -> Result<(), Error> {
    if role == Role::Control {
        apply_filter(&without_clone3()?)?;
    }
    apply_filter(&allowing(calls(role)?)?)
}

fn allowing(calls: Calls) -> Result<BpfProgram, BackendError> {
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(calls, refused, SeccompAction::Allow, architecture()?)?.try_into()
}

/// The flags of clone3(2) lie in memory, where no filter looks. Where the kernel does not know the call, glibc makes clone(2) instead.
fn without_clone3() -> Result<BpfProgram, BackendError> {
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    let calls = [(libc::SYS_clone3, Vec::new())].into();
    SeccompFilter::new(calls, SeccompAction::Allow, unknown, architecture()?)?.try_into()
}

fn architecture() -> Result<TargetArch, BackendError> {
    std::env::consts::ARCH.try_into()
}

fn calls(role: Role) -> Result<Calls, BackendError> {
    let mut calls: Calls = unconditional(role).map(|call| (call, Vec::new())).collect();
    calls.extend(memory()?);
    calls.extend(own_signals()?);
    calls.extend(descriptors(role)?);
    if role == Role::Control {
        calls.extend(threads()?);
        calls.extend(sockets()?);
        calls.extend(kernel()?);
    }
    Ok(calls)
}

fn unconditional(role: Role) -> impl Iterator<Item = i64> {
    let worker = WORKER.iter().copied().chain([legacy::WORKER]);
    let control = CONTROL.iter().copied().chain([legacy::CONTROL]);
    worker.chain(control.filter(move |_| role == Role::Control)).flatten().copied()
}

/// New memory, as long as no code is to be run in it.
fn memory() -> Result<[(i64, Vec<SeccompRule>); 2], BackendError> {
    let without_code = || when(2, MaskedEq(PROT_EXEC as u64), 0);
    Ok([(libc::SYS_mmap, vec![without_code()?]), (libc::SYS_mprotect, vec![without_code()?])])
}

/// Signals to this process, as abort(3) sends one.
fn own_signals() -> Result<[(i64, Vec<SeccompRule>); 1], BackendError> {
    Ok([(libc::SYS_tgkill, vec![when(0, Eq, std::process::id().into())?])])
}

/// The standard library looks whether a descriptor is still open before it closes it, in builds that check themselves.
fn descriptors(role: Role) -> Result<[(i64, Vec<SeccompRule>); 1], BackendError> {
    let asked = when(1, Eq, libc::F_GETFD as u64)?;
    Ok([(libc::SYS_fcntl, if role == Role::Worker { vec![asked] } else { Vec::new() })])
}

/// New threads, and what each does before its work; no process, no namespace of its own.
fn threads() -> Result<[(i64, Vec<SeccompRule>); 2], BackendError> {
    let thread = when(0, MaskedEq(CLONE_THREAD as u64), CLONE_THREAD as u64)?;
    let settings = [
        PR_SET_NAME,
        PR_GET_NAME,
        PR_SET_NO_NEW_PRIVS,
        PR_GET_NO_NEW_PRIVS,
        PR_GET_DUMPABLE,
        PR_CAPBSET_READ,
        PR_CAPBSET_DROP,
    ];
    Ok([(libc::SYS_clone, vec![thread]), (libc::SYS_prctl, any_of(0, settings.map(|name| name as u64))?)])
}

/// Sockets of new workers, for settings of ports, and for news of them; no packet socket, no connection.
fn sockets() -> Result<[(i64, Vec<SeccompRule>); 3], BackendError> {
    let families = any_of(0, [AF_XDP, AF_UNIX, AF_NETLINK].map(|family| family as u64))?;
    let (mask, class) = SOCKET_IOCTLS;
    let mut ioctls = any_of(1, [FIONBIO, FIOCLEX, TCGETS])?;
    ioctls.push(when(1, MaskedEq(mask), class)?);
    Ok([
        (libc::SYS_socket, families),
        (libc::SYS_socketpair, vec![when(0, Eq, AF_UNIX as u64)?]),
        (libc::SYS_ioctl, ioctls),
    ])
}

/// What is loaded into the kernel is used; limits are read.
fn kernel() -> Result<[(i64, Vec<SeccompRule>); 2], BackendError> {
    let read_only = SeccompCondition::new(2, SeccompCmpArgLen::Qword, Eq, 0)?;
    Ok([
        (libc::SYS_bpf, any_of(0, BPF_COMMANDS)?),
        (libc::SYS_prlimit64, vec![SeccompRule::new(vec![read_only])?]),
    ])
}

/// An argument, by its number from 0, of which the kernel looks at 32 bits.
fn when(argument: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)?])
}

fn any_of<const N: usize>(argument: u8, values: [u64; N]) -> Result<Vec<SeccompRule>, BackendError> {
    values.into_iter().map(|value| when(argument, Eq, value)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, ErrorKind};
    use std::net::UdpSocket;
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    use std::thread;
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::sched::CloneFlags;
    use nix::unistd::Pid;
    use seccompiler::sock_filter;

    use super::*;

    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

    /// What the kernel would do with a system call: the instructions of seccomp filters, as in linux/filter.h.
    fn run(program: &[sock_filter], call: i64, arguments: [u64; 6]) -> u32 {
        const AUDIT_ARCH: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
        let words = arguments.iter().flat_map(|argument| [*argument as u32, (*argument >> 32) as u32]);
        // struct seccomp_data (linux/seccomp.h).
        let data: Vec<u32> = [call as u32, AUDIT_ARCH, 0, 0].into_iter().chain(words).collect();
        let (mut at, mut a) = (0_usize, 0_u32);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            let jump = |holds: bool| usize::from(if holds { jt } else { jf });
            match u32::from(code) {
                0x20 => a = data[k as usize / 4],
                0x54 => a &= k,
                0x05 => at += k as usize,
                0x15 => at += jump(a == k),
                0x25 => at += jump(a > k),
                0x35 => at += jump(a >= k),
                0x06 => return k,
                other => panic!("no such instruction: {other:#x}"),
            }
        }
    }

    fn judged(role: Role, call: i64, arguments: &[u64]) -> u32 {
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        run(&allowing(calls(role).unwrap()).unwrap(), call, all)
    }

    #[test]
    fn what_is_not_listed_is_refused_and_does_not_kill() {
        for role in [Role::Worker, Role::Control] {
            for call in [
                libc::SYS_execve,
                libc::SYS_execveat,
                libc::SYS_ptrace,
                libc::SYS_process_vm_writev,
                libc::SYS_connect,
                libc::SYS_listen,
                libc::SYS_mount,
                libc::SYS_setns,
                libc::SYS_unshare,
                libc::SYS_init_module,
                libc::SYS_keyctl,
                libc::SYS_perf_event_open,
                libc::SYS_io_uring_setup,
                libc::SYS_kill,
                libc::SYS_renameat2,
                libc::SYS_fchmodat,
                libc::SYS_memfd_create,
                100_000,
            ] {
                assert_eq!(judged(role, call, &[]), EPERM, "{role:?}: {call}");
            }
        }
    }

    #[test]
    fn a_worker_may_open_nothing_and_start_nothing() {
        for call in [
            libc::SYS_openat,
            libc::SYS_socket,
            libc::SYS_bpf,
            libc::SYS_clone,
            libc::SYS_ioctl,
            libc::SYS_prctl,
        ] {
            assert_eq!(judged(Role::Worker, call, &[]), EPERM, "{call}");
        }
        for call in [libc::SYS_sendto, libc::SYS_recvfrom, libc::SYS_ppoll, libc::SYS_restart_syscall] {
            assert_eq!(judged(Role::Worker, call, &[]), libc::SECCOMP_RET_ALLOW, "{call}");
        }
    }

    #[test]
    fn arguments_count() {
        const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
        let (data, code) = (libc::PROT_READ | libc::PROT_WRITE, libc::PROT_READ | PROT_EXEC);
        let [thread, process] = [CLONE_THREAD | libc::CLONE_VM, libc::SIGCHLD].map(|flags| flags as u64);
        let own = u64::from(std::process::id());
        for (call, arguments, expected) in [
            (libc::SYS_mmap, &[0, 4096, data as u64][..], ALLOW),
            (libc::SYS_mmap, &[0, 4096, code as u64], EPERM),
            (libc::SYS_mprotect, &[0, 4096, data as u64], ALLOW),
            (libc::SYS_mprotect, &[0, 4096, code as u64], EPERM),
            (libc::SYS_tgkill, &[own, own, 6], ALLOW),
            (libc::SYS_tgkill, &[1, 1, 6], EPERM),
            (libc::SYS_clone, &[thread], ALLOW),
            (libc::SYS_clone, &[process], EPERM),
            (libc::SYS_socket, &[AF_XDP as u64], ALLOW),
            (libc::SYS_socket, &[libc::AF_PACKET as u64], EPERM),
            (libc::SYS_socket, &[libc::AF_INET as u64], EPERM),
            (libc::SYS_ioctl, &[3, libc::SIOCETHTOOL], ALLOW),
            (libc::SYS_ioctl, &[3, libc::SIOCSIFFLAGS], ALLOW),
            (libc::SYS_ioctl, &[3, libc::TIOCSTI], EPERM),
            (libc::SYS_prctl, &[PR_CAPBSET_DROP as u64], ALLOW),
            (libc::SYS_prctl, &[libc::PR_SET_DUMPABLE as u64, 1], EPERM),
            (libc::SYS_bpf, &[2], ALLOW),
            (libc::SYS_bpf, &[5], EPERM),
            (libc::SYS_prlimit64, &[0, 4, 0], ALLOW),
            (libc::SYS_prlimit64, &[0, 4, 1 << 32], EPERM),
        ] {
            assert_eq!(judged(Role::Control, call, arguments), expected, "{call} {arguments:x?}");
        }
    }

    #[test]
    fn clone3_is_not_there_and_all_else_is_left_to_the_other_filter() {
        let program = without_clone3().unwrap();
        assert_eq!(run(&program, libc::SYS_clone3, [0; 6]), ENOSYS);
        assert_eq!(run(&program, libc::SYS_clone, [0; 6]), libc::SECCOMP_RET_ALLOW);
        // Of two refusals, that of the later filter would be given.
        assert_eq!(judged(Role::Control, libc::SYS_clone3, &[]), libc::SECCOMP_RET_ALLOW);
    }

    /// On a thread of its own: a filter cannot be taken off again.
    fn as_a<T: Send>(role: Role, work: impl FnOnce() -> T + Send) -> T {
        let filtered = || {
            apply(role).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(filtered).join().unwrap())
    }

    fn is_refused<T>(done: io::Result<T>) -> bool {
        done.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    }

    #[test]
    fn the_kernel_refuses_a_worker_all_but_its_work() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        as_a(Role::Worker, || {
            assert!(is_refused(File::open("/proc/self/status")));
            assert!(is_refused::<()>(Err(Command::new("/bin/false").exec())));
            assert!(is_refused(Command::new("/bin/true").status()));
            assert!(is_refused(UdpSocket::bind("127.0.0.1:0")));
            assert!(is_refused(thread::Builder::new().spawn(|| ())));
            assert_eq!(nix::sys::ptrace::traceme(), Err(Errno::EPERM));
            assert_eq!(nix::sys::signal::kill(Pid::this(), None), Err(Errno::EPERM));
            assert_eq!(nix::sched::unshare(CloneFlags::CLONE_NEWNET), Err(Errno::EPERM));

            let mut received = [0; 4];
            socket.send_to(b"work", address).unwrap();
            assert_eq!(socket.recv_from(&mut received).unwrap().0, 4);
            thread::sleep(Duration::from_millis(1));
            let memory = vec![1_u8; 64 << 20];
            assert_eq!(memory.iter().map(|byte| usize::from(*byte)).sum::<usize>(), memory.len());
            drop(memory);
            assert!(std::panic::catch_unwind(|| panic!("a worker that panics")).is_err());
        });
    }

    #[test]
    fn the_control_thread_starts_threads_and_they_become_workers() {
        as_a(Role::Control, || {
            assert!(File::open("/proc/self/status").is_ok());
            assert!(is_refused::<()>(Err(Command::new("/bin/false").exec())));
            assert!(is_refused(Command::new("/bin/true").status()));
            let worker = || as_a(Role::Worker, || is_refused(File::open("/proc/self/status")));
            assert!(thread::Builder::new().spawn(worker).unwrap().join().unwrap());
        });
    }
}
