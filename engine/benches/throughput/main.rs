//! Measures the speed of the engine. Each figure is printed next to a reference from the same run.
//!
//! ```text
//! cargo bench -p engine              # all figures
//! cargo bench -p engine -- children  # one of children, memory, transitions, expressions, workflows
//! ```

mod host;

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use engine::{ExecutionType, Journal, Machine, Outcome, Start};
use host::Lines;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

type Measured<T> = Result<T, Box<dyn std::error::Error>>;

/// Runs one Distributed Map in a process of its own, to measure its memory.
const AS_MAP: &str = "--as-map";

fn main() -> Measured<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mode, journal, items] = arguments.as_slice()
        && mode == AS_MAP
    {
        return map_alone(journal, items.parse()?);
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    if wanted("children") {
        children()?;
    }
    if wanted("memory") {
        memory()?;
    }
    if wanted("transitions") {
        transitions()?;
    }
    if wanted("expressions") {
        expressions()?;
    }
    if wanted("workflows") {
        workflows()?;
    }
    Ok(())
}

fn row(what: &str, figure: String, reference: String) {
    println!("{what:<58}{figure:>16}    {reference}");
}

/// Formats a rate in millions or thousands per second.
fn rate(count: u64, begun: Instant) -> String {
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    if rate >= 1e6 { format!("{:.2} M/s", rate / 1e6) } else { format!("{:.0} k/s", rate / 1e3) }
}

fn two_cores() -> Measured<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// A Distributed Map over JSON lines with a ResultWriter. Its children do nothing.
fn map() -> Measured<Arc<Machine>> {
    let definition = json!({"StartAt": "M", "States": {"M": {
        "Type": "Map", "End": true, "MaxConcurrency": 0,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": "b", "Key": "lines"}
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}
        },
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "out"}}
    }}});
    Ok(Arc::new(engine::compile(&definition.to_string())?))
}

async fn execute(machine: &Arc<Machine>, input: Value, lines: u64, journal: Journal) -> Measured<Value> {
    run(machine, Start::new("arn:aws:states:local:0:execution:bench:1", input), lines, journal).await
}

async fn run(machine: &Arc<Machine>, start: Start, lines: u64, journal: Journal) -> Measured<Value> {
    match engine::run(machine.clone(), start, Arc::new(Lines(lines)), journal, CancellationToken::new())
        .await?
    {
        Outcome::Succeeded(output) => Ok(output),
        Outcome::Failed { error, cause } | Outcome::Aborted { error, cause } => {
            Err(format!("{error}: {cause}").into())
        }
        Outcome::TimedOut => Err("timed out".into()),
    }
}

fn children() -> Measured<()> {
    const ITEMS: u64 = 300_000;
    let (runtime, machine) = (two_cores()?, map()?);
    let begun = Instant::now();
    runtime.block_on(bare_tasks(ITEMS))?;
    let reference =
        format!("{} by a bare loop: a line is parsed, cloned in a task, written as JSON", rate(ITEMS, begun));
    let begun = Instant::now();
    runtime.block_on(execute(&machine, json!({}), ITEMS, Journal::in_memory()?))?;
    row("Distributed Map, children, journal in memory, two cores", rate(ITEMS, begun), reference.clone());
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();
    runtime.block_on(execute(&machine, json!({}), ITEMS, Journal::open(folder.path().join("journal"))?))?;
    row("Distributed Map, children, journal in a file, two cores", rate(ITEMS, begun), reference);
    Ok(())
}

/// The reference: a tokio task for each line, ten thousand at once.
async fn bare_tasks(items: u64) -> Measured<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..items {
        if tasks.len() == 10_000 {
            tasks.join_next().await.transpose()?;
        }
        let item: Value = serde_json::from_str(host::line(n).trim())?;
        tasks.spawn(async move { black_box((item.clone().to_string(), item.to_string())) });
    }
    while tasks.join_next().await.transpose()?.is_some() {}
    Ok(())
}

fn memory() -> Measured<()> {
    for journal in ["memory", "file"] {
        let few = peak(journal, 100_000)?;
        let many = peak(journal, 1_000_000)?;
        let what = format!("Distributed Map of 1,000,000 items, peak, journal in {journal}");
        row(&what, format!("{many} MiB"), format!("{few} MiB with 100,000 items"));
    }
    Ok(())
}

fn peak(journal: &str, items: u64) -> Measured<u64> {
    let output =
        Command::new(std::env::current_exe()?).args([AS_MAP, journal, &items.to_string()]).output()?;
    Ok(String::from_utf8(output.stdout)?
        .trim()
        .parse()
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?)
}

/// Prints the process's peak memory in MiB.
fn map_alone(journal: &str, items: u64) -> Measured<()> {
    let folder = tempfile::tempdir()?;
    let journal = match journal {
        "memory" => Journal::in_memory()?,
        _ => Journal::open(folder.path().join("journal"))?,
    };
    two_cores()?.block_on(execute(&map()?, json!({}), items, journal))?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak in /proc/self/status")?;
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse()?;
    println!("{}", kib / 1024);
    Ok(())
}

/// A machine with this many pairs of a Pass and a Choice, one after the other.
fn chain(pairs: usize) -> Measured<Arc<Machine>> {
    let mut states = serde_json::Map::new();
    for n in 0..pairs {
        states.insert(format!("P{n}"), json!({"Type": "Pass", "Next": format!("C{n}")}));
        let rule = json!({"Variable": "$.n", "NumericGreaterThan": 0, "Next": format!("P{}", n + 1)});
        states.insert(format!("C{n}"), json!({"Type": "Choice", "Choices": [rule], "Default": "End"}));
    }
    states.insert(format!("P{pairs}"), json!({"Type": "Pass", "Next": "End"}));
    states.insert("End".into(), json!({"Type": "Succeed"}));
    Ok(Arc::new(engine::compile(&json!({"StartAt": "P0", "States": states}).to_string())?))
}

fn transitions() -> Measured<()> {
    const PAIRS: usize = 5_000;
    const RUNS: u64 = 20;
    let machine = chain(PAIRS)?;
    let input = json!({"n": 1, "name": "a small input"});
    let count = RUNS * (2 * PAIRS as u64 + 2);
    let begun = Instant::now();
    for _ in 0..count {
        black_box(black_box(&input).clone().to_string());
    }
    let reference = format!("{} of cloning that input and writing it as JSON", rate(count, begun));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let begun = Instant::now();
    for _ in 0..RUNS {
        runtime.block_on(execute(&machine, input.clone(), 0, Journal::in_memory()?))?;
    }
    row("state transitions, Pass and Choice, one core", rate(count, begun), reference);
    Ok(())
}

/// A machine with this many Pass states, each with an expression.
fn expressions() -> Measured<()> {
    const STATES: usize = 5_000;
    const RUNS: u64 = 4;
    let state = |n: usize| json!({"Type": "Pass", "Output": {"n": "{% $states.input.n + 1 %}"}, "Next": format!("P{}", n + 1)});
    let mut states: serde_json::Map<String, Value> =
        (0..STATES).map(|n| (format!("P{n}"), state(n))).collect();
    states.insert(format!("P{STATES}"), json!({"Type": "Succeed"}));
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "P0", "States": states});
    let machine = Arc::new(engine::compile(&definition.to_string())?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let begun = Instant::now();
    for _ in 0..RUNS {
        runtime.block_on(execute(
            &machine,
            json!({"n": 1, "name": "a small input"}),
            0,
            Journal::in_memory()?,
        ))?;
    }
    row(
        "state transitions with a JSONata expression, one core",
        rate(RUNS * STATES as u64, begun),
        String::new(),
    );
    Ok(())
}

/// A workflow of Pass, Choice, Task, Pass and Succeed.
fn five_states() -> Measured<Arc<Machine>> {
    let rule = json!({"Variable": "$.n", "NumericGreaterThan": 0, "Next": "Call"});
    let states = json!({
        "Take": {"Type": "Pass", "Next": "Right?"},
        "Right?": {"Type": "Choice", "Choices": [rule], "Default": "End"},
        "Call": {"Type": "Task", "Resource": "arn:aws:lambda:local:0:function:f", "ResultPath": "$.result", "Next": "Keep"},
        "Keep": {"Type": "Pass", "Parameters": {"name.$": "$.name"}, "Next": "End"},
        "End": {"Type": "Succeed"},
    });
    Ok(Arc::new(engine::compile(&json!({"StartAt": "Take", "States": states}).to_string())?))
}

fn workflows() -> Measured<()> {
    const RUNS: u64 = 100_000;
    let machine = five_states()?;
    let input = json!({"n": 1, "name": "a small input"});
    let start = || {
        let mut start = Start::new("arn:aws:states:local:0:express:bench:1", input.clone());
        start.execution_type = ExecutionType::Express;
        start
    };
    let begun = Instant::now();
    for _ in 0..RUNS {
        black_box(start());
    }
    let reference = format!("{} of making an execution's start", rate(RUNS, begun));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let begun = Instant::now();
    runtime.block_on(async {
        for _ in 0..RUNS {
            run(&machine, start(), 0, Journal::in_memory()?).await?;
        }
        Measured::Ok(())
    })?;
    row("Express workflows of five states, start to end, one core", rate(RUNS, begun), reference);
    Ok(())
}
