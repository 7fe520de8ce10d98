//! What a live run may still do once its interfaces are open: read their rings, and write to its
//! output directories.
//!
//! In this order: the capabilities that nobody needs again leave the bounding set; the process
//! becomes another user; all capabilities are cleared; no new ones can be had; Landlock leaves the
//! output directories and the kernel's description of interfaces; seccomp refuses new sockets, new
//! programs and the calls that lead out of all this. Each of them belongs to a *thread*: this has to
//! happen while there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    path_beneath_rules,
};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{Gid, Uid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::cli::exit::Failure;

/// The user of a run without output files: nobody's.
const NOBODY: u32 = 65_534;

/// What the kernel says of interfaces: needed to count their losses and to see them come back.
const READABLE: [&str; 2] = ["/sys/class/net", "/sys/devices"];

/// Who a run becomes, and where it may write.
#[derive(Debug)]
pub(super) struct Privileges {
    user: Option<User>,
    folders: BTreeSet<PathBuf>,
    devices: BTreeSet<PathBuf>,
}

/// A user, as `setuid` wants one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl Privileges {
    /// Decide, before anything is opened. `outputs` are the files that will be written.
    pub(super) fn new<'a>(
        user: Option<&str>,
        outputs: impl Iterator<Item = &'a Path>,
    ) -> Result<Self, Failure> {
        let (mut folders, mut devices, mut owner) = (BTreeSet::new(), BTreeSet::new(), None);
        for path in outputs {
            // A link is followed to what will be replaced.
            let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
                devices.insert(path);
                continue;
            }
            let folder = match path.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            };
            let metadata = fs::metadata(folder)
                .with_context(|| format!("cannot write `{}`", path.display()))
                .map_err(Failure::impossible)?;
            owner.get_or_insert_with(|| (metadata.uid(), metadata.gid()));
            folders.insert(folder.canonicalize()?);
        }
        let root = rustix::process::geteuid().is_root();
        let user = match user {
            Some(_) if !root => {
                return Err(Failure::usage(anyhow!("only root can become another user: --user")));
            }
            Some(name) => Some(User::named(name)?),
            None if !root => None,
            None => {
                let (uid, gid) = owner.unwrap_or((NOBODY, NOBODY));
                Some(User::of(uid, gid))
            }
        };
        Ok(Self { user, folders, devices })
    }

    /// Give up what is not needed any more. Returns what this kernel could not do.
    pub(super) fn drop(&self) -> Result<Vec<&'static str>, Failure> {
        if fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
            return Err(Failure::impossible(anyhow!(
                "cannot give up rights: a thread runs already"
            )));
        }
        let missing =
            self.confine().context("cannot give up rights").map_err(Failure::impossible)?;
        self.check_folders()?;
        Ok(missing)
    }

    /// The calling thread gives up its rights.
    fn confine(&self) -> anyhow::Result<Vec<&'static str>> {
        let before = thread::capabilities(None)?;
        let mut missing = Vec::new();
        if before.effective.contains(CapabilitySet::SETPCAP) {
            for capability in CapabilitySet::all().iter() {
                // The kernel may not know all that we do.
                let _ = thread::remove_capability_from_bounding_set(capability);
            }
        }
        if let Some(user) = &self.user {
            user.become_it().with_context(|| format!("cannot become user `{}`", user.name))?;
        }
        let none = CapabilitySet::empty();
        thread::set_capabilities(
            None,
            CapabilitySets { effective: none, permitted: none, inheritable: none },
        )?;
        let _ = thread::clear_ambient_capability_set();
        thread::set_no_new_privs(true)?;
        if !self.restrict_files()? {
            missing.push("Landlock");
        }
        if !refuse_calls() {
            missing.push("seccomp");
        }
        Ok(missing)
    }

    /// Landlock. Whether the kernel knows it.
    fn restrict_files(&self) -> anyhow::Result<bool> {
        // The newest rights that this code knows; an older kernel keeps to those that it knows.
        let abi = ABI::V5;
        let all = AccessFs::from_all(abi);
        let write = all & !AccessFs::Execute;
        let status = Ruleset::default()
            .handle_access(all)?
            .handle_access(AccessNet::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(&self.folders, write))?
            .add_rules(path_beneath_rules(
                &self.devices,
                AccessFs::from_file(abi) & !AccessFs::Execute,
            ))?
            .add_rules(path_beneath_rules(READABLE, AccessFs::ReadFile | AccessFs::ReadDir))?
            .restrict_self()?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }

    /// Whether the output directories can be written to, as who we are now.
    fn check_folders(&self) -> Result<(), Failure> {
        let folders = self.folders.iter().map(|path| (path, Access::WRITE_OK | Access::EXEC_OK));
        let devices = self.devices.iter().map(|path| (path, Access::WRITE_OK));
        for (path, access) in folders.chain(devices) {
            if accessat(CWD, path, access, AtFlags::empty()).is_err() {
                let name = self.name();
                let path = path.display();
                return Err(Failure::impossible(anyhow!(
                    "user `{name}` may not write to `{path}`"
                ))
                .with_hint(format!("chown {name} {path}")));
            }
        }
        Ok(())
    }

    /// Who we are, or will be.
    pub(super) fn name(&self) -> String {
        match &self.user {
            Some(user) => user.name.clone(),
            None => User::of(rustix::process::geteuid().as_raw(), 0).name,
        }
    }
}

impl User {
    /// By name, or by number.
    fn named(name: &str) -> Result<Self, Failure> {
        if let Some(user) = Self::all().into_iter().find(|user| user.name == name) {
            return Ok(user);
        }
        match name.parse() {
            Ok(uid) => Ok(Self::of(uid, uid)),
            Err(_) => Err(Failure::usage(anyhow!("there is no user `{name}` in /etc/passwd"))
                .with_hint("a user of a directory service can be named by number")),
        }
    }

    /// By number, with this group where /etc/passwd has none for it.
    fn of(uid: u32, gid: u32) -> Self {
        let known = Self::all().into_iter().find(|user| user.uid == uid);
        known.unwrap_or_else(|| Self { name: uid.to_string(), uid, gid })
    }

    fn all() -> Vec<Self> {
        let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Self { name, uid, gid })
        };
        text.lines().filter_map(user).collect()
    }

    /// The calling thread becomes this user, for good.
    fn become_it(&self) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        thread::set_thread_groups(&[gid])?;
        thread::set_thread_res_gid(gid, gid, gid)?;
        thread::set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}

/// seccomp. Whether it holds.
fn refuse_calls() -> bool {
    const REFUSED: [libc::c_long; 33] = [
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        // A ring of requests can do what the calls of the same names cannot.
        libc::SYS_io_uring_setup,
        libc::SYS_userfaultfd,
        libc::SYS_open_by_handle_at,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_chroot,
        libc::SYS_pivot_root,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_fsopen,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_acct,
    ];
    let Ok(arch) = std::env::consts::ARCH.try_into() else { return false };
    let rules: BTreeMap<i64, _> = REFUSED.into_iter().map(|call| (call, Vec::new())).collect();
    let refusal = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch);
    let program: Option<BpfProgram> = filter.ok().and_then(|filter| filter.try_into().ok());
    program.is_some_and(|program| seccompiler::apply_filter(&program).is_ok())
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketType, socket};

    use super::*;

    /// What a thread can still do after it gave up its rights: rights belong to threads.
    fn after(user: Option<User>, folder: &Path) -> Vec<(&'static str, Result<(), io::ErrorKind>)> {
        let privileges = Privileges {
            user,
            folders: BTreeSet::from([folder.canonicalize().unwrap()]),
            devices: BTreeSet::new(),
        };
        let folder = folder.to_owned();
        std::thread::spawn(move || {
            assert_eq!(privileges.confine().unwrap(), Vec::<&str>::new(), "this kernel lacks it");
            let kind = |result: io::Result<()>| result.map_err(|error| error.kind());
            let opened = |family, kind| socket(family, kind, None).map(drop).map_err(Into::into);
            let program = std::process::Command::new("/bin/true").status().map(drop);
            vec![
                ("shadow", kind(fs::read("/etc/shadow").map(drop))),
                ("passwd", kind(fs::read("/etc/passwd").map(drop))),
                ("packet", kind(opened(AddressFamily::PACKET, SocketType::RAW))),
                ("inet", kind(opened(AddressFamily::INET, SocketType::STREAM))),
                ("unix", kind(opened(AddressFamily::UNIX, SocketType::STREAM))),
                ("program", kind(program)),
                ("elsewhere", kind(fs::write(folder.with_extension("not"), "x"))),
                ("folder", kind(fs::write(folder.join("flows"), "x"))),
                ("state", kind(fs::read("/sys/class/net/lo/flags").map(drop))),
                (
                    "rights",
                    kind(if thread::capabilities(None).unwrap().permitted.is_empty() {
                        Ok(())
                    } else {
                        Err(io::ErrorKind::Other.into())
                    }),
                ),
                (
                    "root again",
                    kind(match thread::set_thread_uid(Uid::ROOT) {
                        Ok(()) if rustix::process::getuid().is_root() => Ok(()),
                        Ok(()) => Err(io::ErrorKind::Other.into()),
                        Err(error) => Err(error.into()),
                    }),
                ),
            ]
        })
        .join()
        .unwrap()
    }

    #[test]
    fn afterwards_it_can_write_its_files_and_nothing_else() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root has rights to give up");
            return;
        }
        let denied = Err(io::ErrorKind::PermissionDenied);
        let nobody = User { name: "nobody".to_owned(), uid: NOBODY, gid: NOBODY };
        let root = User { name: "root".to_owned(), uid: 0, gid: 0 };
        for user in [nobody, root] {
            let folder = tempfile::tempdir().unwrap();
            std::os::unix::fs::chown(folder.path(), Some(user.uid), Some(user.gid)).unwrap();
            let is_root = user.uid == 0;
            for (what, result) in after(Some(user.clone()), folder.path()) {
                let wanted = match what {
                    "folder" | "state" | "rights" => Ok(()),
                    "root again" if is_root => Ok(()),
                    _ => denied,
                };
                assert_eq!(result, wanted, "{what} as {}", user.name);
            }
        }
    }

    #[test]
    fn users_by_name_and_number() {
        assert_eq!(User::named("root").unwrap().uid, 0);
        assert_eq!(
            User::named("4242").unwrap(),
            User { name: "4242".into(), uid: 4242, gid: 4242 }
        );
        assert!(User::named("no such user").is_err());
    }
}
