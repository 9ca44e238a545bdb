//! Rules that public reports have shown: one small machine per rule.

use engine::History;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, block_on, start};
use crate::machines::{jsonata, one, outcome, output, pass};

/// The output of a Pass with this JSONata expression in `Output/r`.
fn evaluated(expression: &str) -> Value {
    evaluated_with(expression, json!({}))
}

fn evaluated_with(expression: &str, input: Value) -> Value {
    let state = json!({"Type": "Pass", "Output": {"r": format!("{{% {expression} %}}")}, "End": true});
    outcome(&jsonata(state), input)
}

/// The cause of a failed evaluation after the words that all of them share.
fn thrown(expression: &str) -> String {
    let failed = evaluated(expression);
    assert_eq!(failed[0], "States.QueryEvaluationError", "{expression}: {failed}");
    let cause = failed[1].as_str().unwrap();
    let start = format!(
        "An error occurred while executing the state 'A' (entered at the event id #2). The JSONata expression '{expression}' specified for the field 'Output/r' "
    );
    cause.strip_prefix(&start).unwrap_or(cause).to_owned()
}

fn first_line(definition: &str) -> String {
    engine::compile(definition).unwrap_err().to_string()
}

/// A path everywhere a path may stand.
#[test]
fn dot_before_a_bracket_is_accepted_wherever_a_path_is() {
    let input = json!({"a": {"b c": [1, 2]}, "n": 1});
    let path = "$.a.['b c'].[1]";
    for (state, expected) in [
        (pass(json!({"InputPath": path})), json!(2)),
        (pass(json!({"OutputPath": path})), json!(2)),
        (pass(json!({"Parameters": {"r.$": path}})), json!({"r": 2})),
        (pass(json!({"Parameters": {"r.$": format!("States.Array({path}, 1)")}})), json!({"r": [2, 1]})),
        (pass(json!({"Parameters": {"r.$": "$$.Execution.['Input'].n"}})), json!({"r": 1})),
        (pass(json!({"Result": 3, "ResultPath": "$.a.['b c'].[1]"})), json!({"a": {"b c": [1, 3]}, "n": 1})),
    ] {
        assert_eq!(output(state.clone(), input.clone()), expected, "{state}");
    }
    let choice = json!({"Type": "Choice", "Choices": [
        {"Variable": path, "NumericEqualsPath": "$.['a'].['b c'].[1]", "Next": "B"}
    ]});
    assert_eq!(output(choice, input), json!({"a": {"b c": [1, 2]}, "n": 1}));
    assert_eq!(output(pass(json!({"OutputPath": "$.[0]"})), json!([7, 8])), json!(7));
    let map = json!({"Type": "Map", "ItemsPath": "$.['l']", "End": true, "ItemProcessor": {
        "StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}
    }});
    assert_eq!(output(map, json!({"l": [1]})), json!([1]));
}

#[test]
fn filters_take_unquoted_text_negation_and_other_paths() {
    let input = json!({"want": 2, "o": [
        {"k": "open", "v": 1}, {"k": "shut", "v": 2, "s": null}, {"k": "open", "v": 3, "s": 1}
    ]});
    for (path, expected) in [
        ("$.o[?(@.k == open)].v", json!([1, 3])),
        ("$.o[?(@.k==open)]..v", json!([1, 3])),
        ("$.o[?(!@.s)].v", json!([1, 2])),
        ("$.o[?(@.v == $.want)].k", json!(["shut"])),
        ("$.o[(@.length-1)].v", json!(3)),
    ] {
        assert_eq!(output(pass(json!({"InputPath": path})), input.clone()), expected, "{path}");
        let state = pass(json!({"Parameters": {"r.$": path}}));
        assert_eq!(output(state, input.clone()), json!({"r": expected}), "{path}");
        let state =
            pass(json!({"Parameters": {"r.$": format!("States.ArrayGetItem(States.Array({path}), 0)")}}));
        assert_eq!(output(state, input.clone()), json!({"r": expected}), "{path}");
    }
}

#[test]
fn several_names_are_an_object_and_end_a_path() {
    let input = json!({"a": {"v": 1}, "b": 2, "c": 3});
    assert_eq!(
        output(pass(json!({"InputPath": "$['a','b']"})), input.clone()),
        json!({"a": {"v": 1}, "b": 2})
    );
    let cause = "An error occurred while executing the state 'A' (entered at the event id #2). Invalid path '$['a', 'b'].v' : Multi properties can only be used as path leafs: $['a', 'b']";
    assert_eq!(output(pass(json!({"InputPath": "$['a', 'b'].v"})), input), json!(["States.Runtime", cause]));
}

#[test]
fn blanks_around_a_path_mean_nothing() {
    let state =
        pass(json!({"Parameters": {"n.$": "$$.State.Name ", "a.$": " $.a", "f.$": "States.Array(1) "}}));
    assert_eq!(output(state, json!({"a": 1})), json!({"n": "A", "a": 1, "f": [1]}));
}

#[test]
fn functions_of_a_path_fail_when_they_run() {
    let start = "An error occurred while executing the state 'A' (entered at the event id #2). ";
    let input = json!({"Jobs": [0, 1]});
    let template = output(pass(json!({"Parameters": {"r.$": "$.Jobs.sum()"}})), input.clone());
    let cause = format!(
        "{start}The JSONPath '$.Jobs.sum()' specified for the field 'r.$' could not be found in the input '{{\"Jobs\":[0,1]}}'"
    );
    assert_eq!(template, json!(["States.Runtime", cause]));
    let path = output(pass(json!({"InputPath": "$.Jobs.length()"})), input);
    let cause =
        format!("{start}Invalid path '$.Jobs.length()' : Property ['length()'] not found in path $['Jobs']");
    assert_eq!(path, json!(["States.Runtime", cause]));
}

#[test]
fn escapes_of_the_specification_are_legal() {
    let input = json!({"foo@bar": {"baz[[": {"?pretty": 1}}, "&Ж中": {"\u{10346}": 2}});
    for (path, expected) in [(r"$.foo\@bar.baz\[\[.\?pretty", 1), (r"$.&Ж中.\uD800\uDF46", 2)] {
        assert_eq!(output(pass(json!({"InputPath": path})), input.clone()), json!(expected), "{path}");
    }
}

#[test]
fn path_into_a_null_input_fails() {
    let cause = "An error occurred while executing the state 'A' (entered at the event id #2). Unable to apply Path transformation to null or empty input.";
    let failed = json!(["States.Runtime", cause]);
    for rule in [
        json!({"Variable": "$", "IsString": true}),
        json!({"Variable": "$.a", "IsPresent": true}),
        json!({"Not": {"Variable": "$", "IsNull": false}}),
    ] {
        let mut rule = rule;
        rule["Next"] = json!("B");
        let state = json!({"Type": "Choice", "Choices": [rule], "Default": "B"});
        assert_eq!(output(state, Value::Null), failed);
    }
    assert_eq!(output(pass(json!({"InputPath": "$.a"})), Value::Null), failed);
    assert_eq!(output(pass(json!({"Parameters": {"r.$": "$"}})), Value::Null), failed);
    assert_eq!(output(pass(json!({})), Value::Null), Value::Null);
}

#[test]
fn number_that_is_not_finite_is_its_name() {
    for (expression, expected) in [
        ("[1/0]", json!(["Infinity"])),
        ("1/0", json!("Infinity")),
        ("-1/0", json!("-Infinity")),
        ("1e308 * 10", json!("Infinity")),
        ("{'n': -1e308 * 10}", json!({"n": "-Infinity"})),
    ] {
        assert_eq!(evaluated(expression), json!({"r": expected}), "{expression}");
    }
}

#[test]
fn numbers_that_only_pass_through_keep_their_digits() {
    let text = r#"{"whole": 1.0, "long": 9007199254740993, "l": [2.0, 9007199254740993, 3], "o": {"n": 4.0, "k": "x"}, "i": 1.0}"#;
    let input: Value = serde_json::from_str(text).unwrap();
    for (expression, expected) in [
        ("{'a': $states.input.whole, 'b': $states.input.long}", r#"{"a":1.0,"b":9007199254740993}"#),
        ("$states.input.l", "[2.0,9007199254740993,3]"),
        ("$states.input.l[1]", "9007199254740993"),
        ("$states.input.l[$ > 2.5]", "[9007199254740993,3]"),
        ("$states.input.l[$states.input.i]", "9007199254740993"),
        ("$map($states.input.l, function($v){{'v': $v, 'w': $v + 1}})[0]", r#"{"v":2.0,"w":3}"#),
        ("$filter($states.input.l, function($v){$v = 2})", "2.0"),
        ("$filter($states.input.l, function($v){$v})", "[2.0,9007199254740993,3]"),
        ("$states.input.whole = 1 ? $states.input.long : 0", "9007199254740993"),
        ("$states.input.whole ? 'yes' : 'no'", r#""yes""#),
        ("$merge([$states.input.o, {'m': $states.input.whole}])", r#"{"n":4.0,"k":"x","m":1.0}"#),
        ("$append($states.input.l, $states.input.whole)", "[2.0,9007199254740993,3,1.0]"),
        ("($x := $states.input.long; [$x, $x - 1])", "[9007199254740993,9007199254740991]"),
        ("$sum($states.input.l[[0, 2]])", "5"),
        ("$string($states.input.o)", r#""{\"n\":4,\"k\":\"x\"}""#),
        ("$states.input.whole & ''", r#""1""#),
        ("$states.input.whole in $states.input.l", "false"),
        ("$max($states.input.l[[0, 2]])", "3"),
        ("-$states.input.whole", "-1"),
        ("$states.input.l^(>$)", "[9007199254740993,3,2.0]"),
        ("$sort($states.input.l)[0]", "2"),
        ("$sort($states.input.l, function($a, $b){$a > $b})[0]", "2.0"),
        ("$reduce($states.input.l, function($a, $b){$a > $b ? $a : $b})", "9007199254740993"),
        ("$map($states.input.l, $string)[0]", r#""2""#),
        ("$states.input.l.$string()", r#"["2","9007199254740992","3"]"#),
        ("[1..$states.input.l[0]]", "[1,2]"),
        ("$states.input.o{k: n}", r#"{"x":4.0}"#),
        ("$states.input.l ~> $sum() > 5", "true"),
        ("$not($states.input.whole)", "false"),
        ("$boolean($states.input.l)", "true"),
        ("$states.input.whole and true", "true"),
        ("$lookup($states.input, 'whole')", "1.0"),
        ("$spread($states.input.o)[0]", r#"{"n":4.0}"#),
    ] {
        let state = json!({"Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true});
        assert_eq!(outcome(&jsonata(state), input.clone()).to_string(), expected, "{expression}");
    }
}

#[test]
fn ranges_and_partitions_truncate_their_arguments() {
    for (expression, expected) in [
        ("$count($range(1, 200000, 1))", json!(200_000)),
        ("$range(-1.7, 2, 1)", json!([-1, 0, 1, 2])),
        ("$range(3000000000, 3000000001, 1)", json!([3_000_000_000_i64, 3_000_000_001_i64])),
        ("$range(0, 6, 2)", json!([0, 2, 4, 6])),
        ("$range(1, 5, 3)", json!([1, 4])),
        ("$partition([1, 2, 3], 2.9)", json!([[1, 2], [3]])),
        ("$partition([1, 2], 1e12)", json!([[1, 2]])),
    ] {
        assert_eq!(evaluated(expression), json!({"r": expected}), "{expression}");
    }
    let too_much = "threw an error during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage";
    for expression in ["$range(1, 500000, 1)", "[1..900000] ~> $count()", "$sum([1..900000])"] {
        assert_eq!(thrown(expression), too_much, "{expression}");
    }
}

#[test]
fn random_with_a_seed_is_that_of_java() {
    assert_eq!(evaluated("$random(42)"), json!({"r": 0.7275636800328681}));
    assert_eq!(evaluated("$random(42.9) = $random(42)"), json!({"r": true}));
}

#[test]
fn depth_of_a_hundred_is_an_error_that_can_be_caught() {
    let sum = |terms: usize| vec!["1"; terms].join("+");
    let too_deep = "threw an error during evaluation: Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive";
    let recursion = "($f := function($n){$n = 0 ? 0 : 1 + $f($n - 1)}; $f(150))".to_owned();
    let nested = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    for expression in [sum(200), sum(600), recursion, nested, format!("{}1", "-".repeat(700))] {
        assert_eq!(thrown(&expression), too_deep);
    }
    let texts = "($f := function($n){$n = 0 ? '' : 'a' & $f($n - 1)}; $f(25))";
    assert_eq!(evaluated(texts), json!({"r": "a".repeat(25)}));
    assert_eq!(evaluated(&sum(90)), json!({"r": 90}));
    assert_eq!(evaluated(&vec!["'a'"; 90].join(" & ")), json!({"r": "a".repeat(90)}));
    let state = json!({
        "Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true,
        "Arguments": {"n": format!("{{% {} %}}", sum(600))},
        "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "B", "Output": "caught"}]
    });
    assert_eq!(outcome(&jsonata(state), json!({})), json!("caught"));
}

#[test]
fn errors_of_evaluations_have_the_words_of_aws() {
    for (expression, message) in [
        ("$sum([\"a\"])", "T0412: Argument 1 of function \"sum\" must be an array of \"numbers\""),
        ("$abs(\"a\")", "T0410: Argument 1 of function \"abs\" does not match function signature"),
        ("$abs($abs(\"a\"))", "T0410: Argument 1 of function \"abs\" does not match function signature"),
        ("\"a\" ~> $abs", "T0410: Argument 1 of function \"abs\" does not match function signature"),
        ("$uppercase(1)", "T0410: Argument 1 of function \"uppercase\" does not match function signature"),
        ("$join([1])", "T0412: Argument 1 of function \"join\" must be an array of \"strings\""),
        (
            "$substring('a', 'b')",
            "T0410: Argument 2 of function \"substring\" does not match function signature",
        ),
        (
            "$map([1], function($v){$length($v)})",
            "T0410: Argument 1 of function \"length\" does not match function signature",
        ),
        ("1 + \"a\"", "T2002: The right side of the \"+\" operator must evaluate to a number"),
        ("\"a\" * 1", "T2001: The left side of the \"*\" operator must evaluate to a number"),
        ("[1..'a']", "T2004: The right side of the range operator (..) must evaluate to an integer"),
        ("$number('x')", "D3030: Unable to cast value to a number: \"x\""),
        ("$formatNumber(1, 'x')", "D3086"),
        ("$nobody()", "T1006: Attempted to invoke a non-function"),
        ("-'a'", "D1002: Cannot negate a non-numeric value"),
        (
            "[1] < 2",
            "T2010: The expressions either side of operator \"<\" must evaluate to numeric or string values",
        ),
        ("$random('a')", "T0410: Argument 1 of function \"random\" does not match function signature"),
    ] {
        let found = thrown(expression);
        assert!(
            found.starts_with(&format!("threw an error during evaluation. {message}")),
            "{expression}: {found}"
        );
    }
}

/// Names of the parser's tokens and of the library's types must not reach a message.
#[test]
fn no_message_names_the_inside_of_a_library() {
    let inside =
        ["Bracket", "Paren", "Comma", "Eof", "Identifier(", "JValue", "Some(", "None", "Brace", "serde"];
    for expression in [
        "a[1,2)",
        "1 +",
        "(1",
        "{\"a\":}",
        "$x :=",
        "[1",
        "{1",
        "$f(1 2)",
        "function(1){2}",
        "function($a{1}",
        "a.)",
        "1 2",
        "@",
        "^(1)",
        "$match(\"a\", /abc",
        "'\\x'",
        "1e999",
        "`a",
        "/* a",
        "$a ? 1 2",
        "|a|",
        "$a := ",
        "1 := 2",
        "$match('a', /(/)",
        "a..b",
        "?",
        "function($x)<n-{1}>{1}",
        "$x{1:2}[1]",
        "'a'.'b'",
        "%",
        "&",
        "#",
        "true false",
        "$f(,)",
        "null null",
    ] {
        let definition =
            jsonata(json!({"Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true}));
        let text = match engine::compile(&definition) {
            Err(problems) => problems.to_string(),
            Ok(_) => evaluated(expression).to_string(),
        };
        let message = text.split("cannot be parsed: ").nth(1).unwrap_or(&text);
        assert!(!inside.iter().any(|name| message.contains(name)), "{expression}: {message}");
    }
    for expression in [
        "$sum('a')",
        "$map(1)",
        "$sort([1,'a'])",
        "$sift(1)",
        "$reduce([1,2], 1)",
        "$each(1, 2)",
        "$single([1,2])",
        "$single([])",
        "$split(1, 2)",
        "$replace('a', 1, 2)",
        "$match('a', 'b')",
        "$contains(1, 2)",
        "$pad(1, 2)",
        "$merge([1])",
        "$lookup(1)",
        "$toMillis('x')",
        "$zip()",
        "$formatBase(1, 99)",
        "$sqrt(-1)",
        "$power(0, -1)",
        "$parseInteger('x', 'y')",
        "$formatInteger(1, '')",
        "$fromMillis('x')",
        "$error('mine')",
        "$assert(false, 'mine')",
        "$string(1/0)",
        "$keys(1, 2, 3)",
        "$join(1, 2)",
        "$eval('1')",
        "$exists()",
        "1 ~> 2",
        "{1: 2}",
        "$decodeUrl('%')",
        "$parse('{')",
        "$hash('a', 'b')",
        "$partition(1, 2)",
        "$range('a', 1, 1)",
        "$base64decode(1)",
        "'a' < 1",
        "'a' in 1 + 'b'",
        "$split('a', '', -1)",
        "$replace('a', '', 'b')",
        "$filter(1, 2)",
        "$spread()",
        "$boolean()",
        "$count(1, 2)",
        "$max('a')",
        "[1..1.5]",
        "$now(1)",
        "$millis(1)",
    ] {
        let found = evaluated(expression);
        let text = found.to_string();
        let message = text.split("threw an error").nth(1).unwrap_or_default();
        assert!(!inside.iter().any(|name| message.contains(name)), "{expression}: {message}");
        assert!(!message.contains("requires") && !message.contains('\u{0}'), "{expression}: {message}");
    }
}

#[test]
fn parse_errors_have_the_words_of_aws() {
    let definition = jsonata(json!({"Type": "Pass", "Output": "{% a[1,2) %}", "End": true}));
    assert!(first_line(&definition).contains("Expected \"]\", got \",\""));
}

#[test]
fn regular_expressions_are_those_of_javascript() {
    for (expression, expected) in [
        (r"$contains('é', /\w/)", json!(false)),
        (r"$contains('٣', /\d/)", json!(false)),
        (r"$contains('e', /\w/)", json!(true)),
        (r"$contains('ab', /a(?=b)/)", json!(true)),
        (r"$contains('ac', /a(?=b)/)", json!(false)),
        (r"$match('abab', /a(?=b)/).index", json!([0, 2])),
        (r"$match('aabb', /(.)\1/).match", json!(["aa", "bb"])),
        (r"$match('éaab', /(a)\1/)", json!({"match": "aa", "index": 1, "groups": ["a"]})),
        (r"$replace('ab cb', /(?<=a)b/, 'x')", json!("ax cb")),
        (r"$replace('aabb', /(.)\1/, '<$1>')", json!("<a><b>")),
        (r"$replace('aabb', /(.)\1/, function($m){$uppercase($m.match)})", json!("AABB")),
        (r"$split('a1b22c', /(\d)\1|1/)", json!(["a", "b", "c"])),
        (r"$filter(['aa', 'ab'], /(.)\1/)", json!("aa")),
        (r"$map(['x.y'], function($v){$replace($v, /[.]/, '-')})", json!("x-y")),
        (r"$replace('a/b', /\//, '-')", json!("a-b")),
        (r"$contains('a[b', /[[]/)", json!(true)),
        (r"$contains('A', /a/i)", json!(true)),
    ] {
        assert_eq!(evaluated(expression), json!({"r": expected}), "{expression}");
    }
    let definition = jsonata(json!({"Type": "Pass", "Output": "{% $match('a', /(/) %}", "End": true}));
    assert!(first_line(&definition).contains("Invalid regular expression: /(/"));
}

#[test]
fn regular_expression_takes_a_limited_number_of_steps() {
    let text = format!("{}!c", "a".repeat(60));
    assert_eq!(evaluated(&format!("$contains('{text}', /(a+)+$/)")), json!({"r": false}));
    let timeout = "threw an error during evaluation: Expression evaluation timeout: Check for infinite loop";
    assert_eq!(thrown(&format!("$contains('{text}', /^((?=a)a|a(?=a)a)+!d/)")), timeout);
}

#[test]
fn dollar_at_the_top_is_refused_with_the_definition() {
    for expression in ["$", "$.a", "$uppercase($)", "[$]"] {
        let definition =
            jsonata(json!({"Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true}));
        assert!(first_line(&definition).contains("Reference to '$' is not supported."), "{expression}");
    }
    assert_eq!(evaluated("[1, 2][$ > 1]"), json!({"r": 2}));
    assert_eq!(evaluated("[1, 2].($ + 1)"), json!({"r": [2, 3]}));
}

#[test]
fn failure_by_the_event_limit_is_event_25_000() {
    let looping = json!({"StartAt": "L", "States": {
        "L": {"Type": "Choice", "Choices": [{"Variable": "$.n", "IsPresent": true, "Next": "L"}], "Default": "S"},
        "S": {"Type": "Succeed"}
    }});
    let ending = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "End": true}
    }});
    // The limit, and the types of the last two events.
    for (definition, limit, last) in [
        (&looping, 25_000, ["ChoiceStateExited", "ExecutionFailed"]),
        (&ending, 6, ["PassStateExited", "ExecutionSucceeded"]),
        (&ending, 5, ["PassStateEntered", "ExecutionFailed"]),
        (&ending, 4, ["PassStateExited", "ExecutionFailed"]),
    ] {
        let mut start = start(json!({"n": 1}));
        start.max_events = Some(limit);
        let history = History::default();
        start.history = Some(history.clone());
        let machine = Arc::new(engine::compile(&definition.to_string()).unwrap());
        let journal = engine::Journal::in_memory().unwrap();
        block_on(engine::run(machine, start, Fake::echo(), journal, CancellationToken::new())).unwrap();
        let events = history.events();
        let end = &events[events.len() - 2..];
        assert_eq!([&*end[0].kind, &*end[1].kind], last, "{limit}");
        assert_eq!((end[0].id, end[1].id, end[1].previous), (limit - 1, limit, limit - 1), "{limit}");
    }
}

#[test]
fn state_takes_a_limited_share_of_memory() {
    let text = json!({"t": "x".repeat(200_000)});
    let fields = |value: &str| -> Value {
        (0..5_000).map(|i| (format!("f{i}{}", if value == "$" { ".$" } else { "" }), json!(value))).collect()
    };
    let too_large = |failed: &Value| {
        assert_eq!(failed[0], "States.DataLimitExceeded", "{failed}");
        assert!(failed[1].as_str().unwrap().starts_with("The state/task 'A' returned a result with a size"));
    };
    too_large(&output(pass(json!({"Parameters": fields("$")})), text.clone()));
    let array = format!("States.Array({})", vec!["$"; 5_000].join(", "));
    too_large(&output(pass(json!({"Parameters": {"r.$": array}})), text.clone()));
    let state = json!({"Type": "Pass", "Output": fields("{% $states.input %}"), "End": true});
    too_large(&outcome(&jsonata(state), text.clone()));
    let map = json!({"Type": "Map", "End": true, "ItemsPath": "$.l", "ItemSelector": {"t.$": "$.t"}, "ItemProcessor": {
        "StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}
    }});
    let mut input = text;
    input["l"] = json!((0..2_000).collect::<Vec<_>>());
    too_large(&output(map, input));
}

#[test]
fn unknown_query_language_is_one_error() {
    let state = json!({"Type": "Pass", "QueryLanguage": "jsonpath", "Output": "{% 1 %}", "End": true});
    let found = engine::compile(&one(state)).unwrap_err();
    assert_eq!(found.to_string().lines().count(), 1, "{found}");
}

#[test]
fn bounds_of_fractions_have_a_point() {
    let map = |percentage: i64| {
        json!({"StartAt": "M", "States": {"M": {
            "Type": "Map", "End": true, "ToleratedFailurePercentage": percentage,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}
            }
        }}})
    };
    for (percentage, message) in [(-1, "Minimum value is 0.0"), (101, "Maximum value is 100.0")] {
        let validation = engine::validate(&map(percentage).to_string(), engine::ExecutionType::Standard);
        assert!(format!("{validation:?}").contains(message), "{validation:?}");
    }
}
