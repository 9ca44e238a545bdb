//! Hostile definitions and data: the evaluation of each expression ends, with an error that the machine can
//! catch.

use serde_json::{Value, json};

use crate::machines::{jsonata, outcome};

const TOO_MUCH: &str = "threw an error during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage";
const TOO_DEEP: &str = "threw an error during evaluation: Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive";

fn output(expression: &str) -> Value {
    output_of(expression, &json!({"words": ["a", "b"], "n": 3, "o": {"x": 1, "y": "z"}}))
}

fn output_of(expression: &str, input: &Value) -> Value {
    outcome(
        &jsonata(json!({"Type": "Pass", "Output": {"r": format!("{{% {expression} %}}")}, "End": true})),
        input.clone(),
    )
}

/// Checks that the expression fails for one of these reasons.
fn stops(expression: &str, reasons: &[&str]) {
    let found = output(expression);
    assert_eq!(found[0], "States.QueryEvaluationError", "{expression}: {found}");
    let cause = found[1].as_str().unwrap();
    assert!(reasons.iter().any(|reason| cause.contains(reason)), "{expression}: {cause}");
}

#[test]
fn shared_parts_of_a_value_count_each_time() {
    let shared = "$f := function($a, $n){$n = 0 ? $a : $f({'a': $a, 'b': $a}, $n - 1)}";
    let lists = "$f := function($a, $n){$n = 0 ? $a : $f([[$a], [$a]], $n - 1)}";
    let mapped = "$f := function($a, $n){$n = 0 ? $a : $f($map([1, 2], function($x){$a}), $n - 1)}";
    let zipped = "$f := function($a, $n){$n = 0 ? $a : $f($zip([$a], [$a]), $n - 1)}";
    let reduced = "$f := function($a, $n){$reduce([1..$n], function($b, $i){{'a': $b, 'b': $b}}, $a)}";
    let folded = "$f := function($a, $n){$reduce([1..$n], function($b, $i){$append([$b], [$b])}, $a)}";
    for (i, make) in [shared, lists, mapped, zipped, reduced, folded].iter().enumerate() {
        stops(&format!("({make}; $f([1], 40))"), &["Expression evaluation", "D2015"]);
        // A few levels are harmless.
        let found = output(&format!("({make}; $length($string($f([1], 3))))"));
        assert!(found["r"].as_u64().is_some_and(|length| length > 10), "{i}: {found}");
    }
    for walk in [
        "$string($f(0, 40))",
        "$f(0, 40) & ''",
        "$count($f(0, 40).**)",
        "$f(0, 40) = $f(0, 40)",
        "$boolean($f(0, 40))",
        "$f(0, 40) ? 1 : 2",
        "$not($f(0, 40))",
        "$distinct([$f(0, 40), $f(0, 40)])",
        "$sum($f(0, 40))",
        "$f(0, 40) + 1",
        "$merge([$f(0, 40)])",
        "$lookup($f(0, 40), 'a')",
        "$keys($f(0, 40))",
        "$map([$f(0, 40)], $string)",
        "$f(0, 40) ~> $string",
        "$string(?)($f(0, 40))",
        "$f(0, 40) ~> |$|{'c': 1}|",
        "$error($f(0, 40))",
        "[$f(0, 40)]@$v.{'v': $v}",
        "$join($f(0, 40))",
        "$hash($f(0, 40), 'MD5')",
        "$f(0, 40)^(a)",
        "[$f(0, 40)].*",
    ] {
        stops(&format!("({shared}; {walk})"), &["Expression evaluation"]);
    }
}

#[test]
fn growing_text_is_stopped() {
    for expression in [
        "($f := function($s, $n){$n = 0 ? $s : $f($s & $s, $n - 1)}; $length($f('abcdefgh', 50)))",
        "$reduce([1..50], function($s, $i){$s & $s}, 'abcdefgh')",
        "$reduce([1..50], function($s, $i){$join([$s, $s])}, 'abcdefgh')",
        "$reduce([1..50], function($s, $i){$join([$s, $s], ',')}, 'abcdefgh')",
        "$reduce([1..50], function($s, $i){[$s, $s] ~> $join()}, 'abcdefgh')",
        "$reduce([1..50], function($s, $i){$replace($s, /a/, $s)}, 'aaaa')",
        "$reduce([1..50], function($s, $i){$replace($s, /a+/, '$0$0')}, 'aaaa')",
        "$reduce([1..50], function($s, $i){$replace($s, /a/, function($m){$s})}, 'aaaa')",
        "$reduce([1..50], function($s, $i){($r := function($m){$s}; $replace($s, /a/, $r))}, 'aaaa')",
        "$reduce([1..50], function($s, $i){$s ~> $replace(/a/, $s)}, 'aaaa')",
        "$reduce([1..50], function($s, $i){$base64encode($s)}, $pad('', 200000, 'x'))",
        "$reduce([1..50], function($s, $i){$encodeUrlComponent($s)}, $pad('', 200000, '%'))",
        "$reduce([1..50], function($s, $i){$string([$s, $s])}, 'abcdefgh')",
        "$reduce([1..50], function($s, $i){$string([$s])}, '\"\"')",
        "($j := $join; $reduce([1..50], function($s, $i){$j([$s, $s])}, 'abcdefgh'))",
        "($big := $pad('', 200000, 'x'); $map([1..100000], function($i){$big & $i}))",
        "($big := $pad('', 200000, 'x'); $map([1..100000], function($i){$uppercase($big)}))",
        "($big := $pad('', 200000, 'x'); $join($map([1..100000], function($i){$big})))",
        "($big := $pad('', 200000, 'x'); $map([1..1000], function($i){$match($big, /x/)}))",
        "($big := $pad('', 200000, 'x'); $map([1..1000], function($i){$split($big, '')}))",
        "$pad('', 1e9)",
        "$formatInteger(1e15, 'I')",
        "($p := 'i'; $formatInteger(1e15, $p))",
        "$fromMillis(0, '[Y,1000000000]')",
    ] {
        stops(expression, &["Expression evaluation", "$pad makes no text"]);
    }
}

#[test]
fn growing_array_is_stopped() {
    for expression in [
        "[1..99999999]",
        "$reduce([1..40], function($a, $i){$append($a, $a)}, [1])",
        "$map([1..1000], function($i){[1..1000000]})",
        "($big := [1..1000000]; $map([1..1000], function($i){$append($big, [$i])}))",
        "($big := [1..1000000]; $map([1..1000], function($i){$reverse($big)}))",
        "$map([1..1000], function($i){$range(1, 1000000, 1)})",
        "$reduce([1..40], function($a, $i){$a.($a)}, [1, 2])",
        "$range(1, 1000000000, 1)",
    ] {
        stops(
            expression,
            &[
                "Expression evaluation",
                "D2014: The size of the sequence",
                "D2015: The maximum sequence length",
                "the range has more than 1000000 items",
            ],
        );
    }
}

#[test]
fn expensive_regular_expression_is_stopped() {
    for expression in [
        "$match($pad('', 100000, 'a') & '!', /(a+)+$/)",
        "$contains($pad('', 200000, 'a'), /((a{0,100}){0,100}){0,100}b/)",
        "$replace($pad('', 200000, 'a'), /(a{1,1000}){1,1000}b/, 'x')",
        "$split($pad('', 200000, 'a'), /(a{1,1000}){1,1000}b/)",
    ] {
        let found = output(expression);
        assert!(
            found["r"].is_boolean() || found[0] == "States.QueryEvaluationError",
            "{expression}: {found}"
        );
    }
}

#[test]
fn deep_nesting_is_stopped() {
    for expression in [
        "($f := function($n){1 + $f($n + 1)}; $f(0))",
        "($f := function($n){[$f($n + 1)]}; $f(0))",
        "$reduce([1..1000], function($a, $i){[[$a]]}, [0])",
        "$reduce([1..300], function($a, $i){{'a': $a}}, [0])",
    ] {
        stops(expression, &[TOO_DEEP, TOO_MUCH]);
    }
    stops(
        "($f := function(){$f()}; $f())",
        &["threw an error during evaluation: Expression evaluation timeout: Check for infinite loop"],
    );
}

/// An expression that is measured gives the same value as before.
#[test]
fn measuring_changes_no_value() {
    let input = json!({
        "words": ["b", "a"], "n": 3, "o": {"x": 1, "y": "z"}, "l": [{"k": "p", "v": [1, 2]}, {"k": "q", "v": []}, {"k": "r"}],
        "nested": [[1, 2], [3]], "one": [7], "sum": 5
    });
    for (expression, expected) in [
        ("$states.input.words[0] & '-' & $states.input.n & true & null & $none", json!("b-3truenull")),
        ("$states.input.o & ''", json!("{\"x\":1,\"y\":\"z\"}")),
        ("$map($states.input.words, $uppercase)", json!(["B", "A"])),
        ("$map($states.input.words, $string)", json!(["b", "a"])),
        ("$map($states.input.words, function($w, $i){$w & $i})", json!(["b0", "a1"])),
        ("$states.input.words ~> $join(',')", json!("b,a")),
        ("$states.input.words ~> $join", json!("ba")),
        ("($up := $uppercase ~> $string; $up('x'))", json!("X")),
        ("($j := $join(?, '+'); $j($states.input.words))", json!("b+a")),
        ("($string := function($x){'mine'}; $string(1))", json!("mine")),
        ("($string := function($x){'mine'}; $map([1], $string))", json!("mine")),
        ("($sum := 4; $sum + 1)", json!(5)),
        ("($max := {'a': [1, 2]}; $max.a[1] & '')", json!("2")),
        ("[1..3]", json!([1, 2, 3])),
        ("[1..1]", json!([1])),
        ("[1, [2..3], [[4]]]", json!([1, [2, 3], [[4]]])),
        ("[3..1]", json!([])),
        (
            "$states.input.l.{'k': k, 'n': $count(v)}",
            json!([{"k": "p", "n": 2}, {"k": "q", "n": 0}, {"k": "r", "n": 0}]),
        ),
        ("$states.input.l.($string(k) & '!')", json!(["p!", "q!", "r!"])),
        ("$states.input.l[k = 'p'].v", json!([1, 2])),
        ("$states.input.l[k = $states.input.words[1]]", Value::Null),
        ("$states.input.l{k: $count(v)}", json!({"p": 2, "q": 0, "r": 0})),
        ("$states.input.l.[k, v]", json!([["p", 1, 2], ["q"], ["r"]])),
        ("$states.input.one", json!([7])),
        ("$states.input.one[]", json!([7])),
        ("$states.input.nested.*", json!([1, 2, 3])),
        ("$count($states.input.o.**)", json!(3)),
        ("($o := $states.input.o; $count($o.*))", json!(2)),
        ("[1, 2].($o := $states.input.o; $count($o.*))", json!([2, 2])),
        ("$append(1, 2)", json!([1, 2])),
        ("$keys($states.input.o)", json!(["x", "y"])),
        ("$keys({'a': 1})", json!("a")),
        ("$distinct([1, 1, 2])", json!([1, 2])),
        ("$zip([1, 2], [3, 4])", json!([[1, 3], [2, 4]])),
        ("$reverse([1, 2])", json!([2, 1])),
        ("$split('a,b', ',')", json!(["a", "b"])),
        ("$replace('abab', 'a', 'c')", json!("cbcb")),
        ("$replace('abab', /a(b)/, '$1$1')", json!("bbbb")),
        ("$replace('abab', /a/, function($m){$uppercase($m.match)})", json!("AbAb")),
        ("($r := function($m){'<' & $m.match & '>'}; $replace('abab', /a/, $r))", json!("<a>b<a>b")),
        ("($r := '$1'; $replace('abab', /a(b)/, $r))", json!("bb")),
        ("$match('ab', /a/).match", json!("a")),
        ("'abc' ~> $replace('b', 'x') ~> $uppercase", json!("AXC")),
        ("$map([1, 2], function($x){$x = 1 ? [] : {}})", json!([[], {}])),
        ("$filter([1, 2, 3], function($x){$x > 1})", json!([2, 3])),
        ("$filter([1, 2], function($x){$x = 1})", json!(1)),
        ("$sort($states.input.words)", json!(["a", "b"])),
        ("$sort([1, 3, 2], function($l, $r){$l < $r})", json!([3, 2, 1])),
        ("$each({'a': 1, 'b': 2}, function($v, $k){$k & $v})", json!(["a1", "b2"])),
        ("$sift({'a': 1, 'b': 2}, function($v){$v > 1})", json!({"b": 2})),
        ("$reduce([1, 2, 3], function($a, $b){$a + $b})", json!(6)),
        ("$merge([{'a': 1}, {'b': 2}])", json!({"a": 1, "b": 2})),
        ("$states.input.words = ['b', 'a']", json!(true)),
        ("$states.input.o ~> |$|{'w': 1}, ['x']|", json!({"y": "z", "w": 1})),
        ("$states.input.l@$i.{'k': $i.k}", json!([{"k": "p"}, {"k": "q"}, {"k": "r"}])),
        ("$states.input.l#$i.(k & $i)", json!(["p0", "q1", "r2"])),
        ("($f := function($n){$n = 0 ? 'end' : $f($n - 1)}; $f(5000))", json!("end")),
        ("($f := function($n, $s){$n = 0 ? $s : $f($n - 1, $s & 'x')}; $length($f(1000, '')))", json!(1000)),
        ("$count([1..200000])", json!(200_000)),
        ("$count($map([1..20000], function($x){$x & ''}))", json!(20_000)),
        (
            "$length($reduce([1..4000], function($s, $i){$s & 'a row of a table that is as long as this\\n'}, ''))",
            json!(164_000),
        ),
        ("$formatInteger(1999, 'I')", json!("MCMXCIX")),
        ("[1999].$formatInteger('i')", json!("mcmxcix")),
        ("$formatInteger(1e15, '0')", json!("1000000000000000")),
        ("$fromMillis(0, '[Y0001]-[M01,2-2]')", json!("1970-01")),
    ] {
        if expected.is_null() {
            assert_eq!(output_of(expression, &input)[0], "States.QueryEvaluationError", "{expression}");
        } else {
            assert_eq!(output_of(expression, &input), json!({"r": expected}), "{expression}");
        }
    }
}

/// serde_json gives a meaning to these keys; for a machine they are plain keys.
#[test]
fn private_keys_of_serde_json_are_plain_keys() {
    let raw = json!({"$serde_json::private::RawValue": "[1, 2"});
    let number = json!({"$serde_json::private::Number": "1e5", "b": 1});
    for value in [raw, number] {
        let text = value.to_string();
        assert_eq!(engine::json::from_str(&text).unwrap(), value);
        assert_eq!(engine::json::from_slice(format!("[{text}]").as_bytes()).unwrap(), json!([value]));
        // The keys pass through the journal after a crash, a task's result, a text and both query languages.
        let states = json!({
            "A": {"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "Assign": {"v.$": "$"}, "Next": "B"},
            "B": {"Type": "Pass", "Parameters": {"v.$": "$v", "text.$": "States.JsonToString($v)"}, "Next": "C"},
            "C": {"Type": "Pass", "Parameters": {"v.$": "$.v", "back.$": "States.StringToJson($.text)", "text.$": "$.text"}, "Next": "D"},
            "D": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": {
                "v": "{% $states.input.v %}", "back": "{% $states.input.back %}", "parsed": "{% $parse($states.input.text) %}"
            }, "End": true}
        });
        let definition = json!({"StartAt": "A", "States": states}).to_string();
        assert_eq!(
            outcome(&definition, value.clone()),
            json!({"v": value, "back": value, "parsed": value}),
            "{text}"
        );
        let machine = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "ItemsPath": "$.l", "End": true, "ItemProcessor": {
            "StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": true}}
        }}}});
        let items = json!({"l": [value, value]});
        assert_eq!(outcome(&machine.to_string(), items.clone()), items["l"]);
    }
}
