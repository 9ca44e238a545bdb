//! `states validate`.

use serde_json::Value;
use testing::Scene;

#[test]
fn validate_names_every_problem_with_its_place() {
    let scene = Scene::new(
        "",
        "machine.json",
        "{\n  \"StartAt\": \"A\",\n  \"States\": {\n    \"A\": { \"Type\": \"Pass\", \"Next\": \"B\" },\n    \"C\": { \"Type\": \"Nap\" }\n  }\n}\n",
    );
    let ran = scene.run(&["states", "validate", "machine.json"]).expect(1);
    assert!(
        ran.stdout.contains("machine.json:4:") && ran.stdout.contains("machine.json:5:"),
        "{}",
        ran.stdout
    );
    let ran = scene.run(&["states", "validate", "machine.json", "--json"]).expect(1);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["result"], "FAIL");
    assert!(found["diagnostics"].as_array().unwrap().len() >= 2);
    scene.run(&["states", "run", "machine.json"]).expect(1);
    scene.run(&["states", "graph", "machine.json"]).expect(1);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/definition.asl.json");
    assert!(scene.run(&["states", "validate", root]).expect(0).stdout.contains("is valid"));
}
