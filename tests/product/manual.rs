//! What the binary knows of itself: help, the reference of the job file, its schema, completions, pages.

use std::fs;

use testing::Scene;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

fn scene() -> Scene {
    Scene::new("", "in.csv", "")
}

#[test]
fn help_explains_commands_and_the_job_file() {
    let scene = scene();
    let printed = |args: &[&str]| scene.run(args).expect(0).stdout;
    let reference = fs::read_to_string(format!("{PROJECT}/docs/job-file.md")).unwrap();
    assert_eq!(printed(&["help", "job"]), reference);
    assert_eq!(printed(&["help", "run"]), printed(&["run", "--help"]));
    assert_eq!(printed(&["help", "states", "graph"]), printed(&["states", "graph", "--help"]));
    assert_eq!(printed(&["help"]), printed(&["--help"]));
    let unknown = scene.run(&["help", "jobs"]).expect(1).stderr;
    assert!(unknown.contains("there is no command \"jobs\""), "{unknown}");
}

#[test]
fn schema_is_that_of_the_documentation() {
    let schema = fs::read_to_string(format!("{PROJECT}/docs/job.schema.json")).unwrap();
    assert_eq!(scene().run(&["schema"]).expect(0).stdout, schema);
}

#[test]
fn shells_read_the_completions() {
    let scene = scene();
    let script = scene.run(&["completions", "bash"]).expect(0).stdout;
    scene.write("completions.bash", script);
    let complete = "source completions.bash; COMP_WORDS=(throughline ru); COMP_CWORD=1; \
                    _throughline throughline ru throughline; echo \"${COMPREPLY[@]}\"";
    assert_eq!(scene.run_as("bash", &["-c", complete]).expect(0).stdout.trim(), "run runs");
    for shell in ["zsh", "fish"] {
        assert!(scene.run(&["completions", shell]).expect(0).stdout.contains("redrive"), "{shell}");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let scene = scene();
    scene.run(&["man", "pages"]).expect(0);
    for page in ["throughline.1", "throughline-run.1", "throughline-states-graph.1"] {
        let page = scene.read(&format!("pages/{page}"));
        assert!(page.starts_with(".ie") && page.contains(".SH NAME"), "{page}");
    }
}
