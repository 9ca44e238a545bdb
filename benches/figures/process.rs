//! Processes that are measured from outside, and what this one spends itself. Read from `/proc`, so Linux only.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Measured;

/// No process takes longer.
const DEADLINE: Duration = Duration::from_secs(900);
/// How often a running process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// `USER_HZ`, which is 100 on every Linux: the unit of times in `/proc`.
const TICKS_PER_SECOND: f64 = 100.0;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a process or a piece of work took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Seconds.
    pub(crate) wall: f64,
    /// Seconds of all its threads.
    pub(crate) cpu: f64,
}

/// A process that has ended well.
pub(crate) struct Ended {
    pub(crate) spent: Spent,
    /// The most memory it ever held, in bytes.
    pub(crate) peak: u64,
    pub(crate) stdout: String,
}

/// A process that does not outlive its owner.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// From now on Ctrl-C ends measurements instead of this process, so that it can clean up.
pub(crate) fn watch_interrupts() -> Measured<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            INTERRUPTED.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}

pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Runs a command to its end; what it prints goes to files in `folder` meanwhile.
pub(crate) fn run(mut command: Command, folder: &Path) -> Measured<Ended> {
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
    let before = cpu(Whose::EndedChildren)?;
    let begun = Instant::now();
    let mut running = Running(command.spawn()?);
    let mut peak = 0;
    let status = loop {
        peak = peak_memory(running.0.id()).unwrap_or(peak);
        if let Some(status) = running.0.try_wait()? {
            break status;
        }
        if interrupted() {
            return Err("interrupted".into());
        }
        if begun.elapsed() > DEADLINE {
            return Err(format!("{command:?} has not ended within {DEADLINE:?}").into());
        }
        thread::sleep(LOOK_EVERY);
    };
    let spent = Spent { wall: begun.elapsed().as_secs_f64(), cpu: cpu(Whose::EndedChildren)? - before };
    if !status.success() {
        return Err(format!("{command:?} ended with {status}:\n{}", fs::read_to_string(stderr)?).into());
    }
    Ok(Ended { spent, peak, stdout: fs::read_to_string(stdout)? })
}

/// Does some work in this process and says what it took.
pub(crate) fn spent<T>(work: impl FnOnce() -> Measured<T>) -> Measured<(T, Spent)> {
    let before = cpu(Whose::Ours)?;
    let begun = Instant::now();
    let done = work()?;
    Ok((done, Spent { wall: begun.elapsed().as_secs_f64(), cpu: cpu(Whose::Ours)? - before }))
}

#[derive(Clone, Copy)]
enum Whose {
    Ours = 0,
    EndedChildren = 2,
}

/// User and system seconds, see proc_pid_stat(5).
fn cpu(whose: Whose) -> Measured<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/self/stat has another form")?;
    // The 14th field of the line is the 12th after the name.
    let times = fields.split(' ').skip(11 + whose as usize).take(2);
    let ticks = times.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

/// `VmHWM` of this process.
pub(crate) fn own_peak_memory() -> Option<u64> {
    peak_memory(std::process::id())
}

/// Lets `VmHWM` of this process begin anew, see proc_pid_clear_refs(5).
pub(crate) fn forget_peak_memory() -> Measured<()> {
    Ok(fs::write("/proc/self/clear_refs", "5")?)
}

/// `VmHWM` of a process; none once it has ended.
fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
