//! The values of templates, and the limits on what they may make of a line.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;
use std::sync::Arc;

use job::Row;
use job::file::secrets::Secrets;
use job::file::template::{Place, Template};
use proptest::prelude::*;

/// Bytes of address space for a rendering: the line, what is read of it, and what a rendering may make.
const MEMORY: u64 = 900 << 20;

fn object(json: &str) -> Arc<Row> {
    Arc::new(
        Row::parse(&Arc::from([]), &serde_json::value::RawValue::from_string(json.to_owned()).unwrap())
            .unwrap(),
    )
}

fn render(source: &str, row: &Arc<Row>) -> Result<String, String> {
    Template::new(source, Place::Text).unwrap().render(row, &Arc::new(Secrets::default()))
}

/// Every way by which a template makes more of a line than the line has.
const EXPANSIONS: [&str; 47] = [
    "{% for i in items %}{{ text }}{% endfor %}",
    "{% for i in items %}{% for j in items %}{{ text }}{% endfor %}{% endfor %}",
    "{% for i in items %}{{ row['text'] }}{% endfor %}",
    "{% for i in items %}{{ row }}{% endfor %}",
    "{% set x %}{% for i in items %}{{ text }}{% endfor %}{% endset %}{{ x | length }}",
    "{% macro m() %}{% for i in items %}{{ text }}{% endfor %}{% endmacro %}{{ m() | length }}",
    "{% macro m() %}{{ text }}{% endmacro %}{% for i in items %}{{ m() }}{% endfor %}",
    "{% macro m() %}{% for i in items %}{{ caller() }}{% endfor %}{% endmacro %}{% set x %}{% call m() %}{{ text }}{% endcall %}{% endset %}",
    "{% macro m(x, n) %}{% if n %}{{ m(x ~ x, n - 1) }}{% endif %}{% endmacro %}{{ m(text, 30) }}",
    "{% filter upper %}{% for i in items %}{{ text }}{% endfor %}{% endfilter %}",
    "{% for i in items recursive %}{{ loop([i ~ text]) }}{% endfor %}",
    "{% block b %}{% for i in items %}{{ text }}{% endfor %}{% endblock %}",
    "{{ text ~ text ~ text }}",
    "{{ text + text + text }}",
    "{{ text * 14 }}",
    "{{ 14 * text }}",
    "{{ 'x' * 99999999 }}",
    "{{ ([text] * 1000) | join }}",
    "{{ (items * 1000) | list | length }}",
    "{{ (items * 1000) | sort | length }}",
    "{{ [text, text, text] }}",
    "{{ [text, text, text] ~ '' }}",
    "{{ items | join(text) }}",
    "{{ items | map('replace', '1', text) | join }}",
    "{{ text | replace('a', 'aaa') }}",
    "{{ text | replace('', text) }}",
    "{{ text | indent(width=100000000) }}",
    "{{ lines | indent(100) }}",
    "{{ deep | pprint }}",
    "{{ deep | tojson(indent=10000) }}",
    "{{ deep | tojson(10000) }}",
    "{{ items | tojson(indent=100000000) }}",
    "{{ '%0900000000d' | format(1) }}",
    "{{ '%*d' | format(900000000, 1) }}",
    "{{ '%(a)s%(a)s%(a)s' | format(a=text) }}",
    "{{ items | slice(900000000) | length }}",
    "{{ items | batch(900000000, 'x') | length }}",
    "{{ angles | tojson }}",
    "{{ angles | urlencode }}",
    "{{ angles | e }}",
    "{{ range(100000) | map('string') | join(text) }}",
    "{% set ns = namespace(s='') %}{% for i in items %}{% set ns.s = ns.s ~ text %}{% endfor %}",
    "{% set ns = namespace(s=[]) %}{% for i in items %}{% set ns.s = ns.s + [text | upper] %}{% endfor %}{{ ns.s | length }}",
    "{% set ns = namespace(s=text) %}{% for i in items %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s=items) %}{% for i in items %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s | list | length }}",
    "{% set ns = namespace(s=1) %}{% for i in items %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    "{% macro m() %}{% endmacro %}{{ m(*(items * 1000)) }}",
];

/// The expansions that end by themselves, with a little: nothing is wrong with such a template.
const HARMLESS: [&str; 4] = [
    "{{ items | length }}",
    "{% set ns = namespace(n=0) %}{% for i in range(2000) %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
    "{% set ns = namespace(s='') %}{% for i in range(1000) %}{% set ns.s = ns.s ~ 'a line of text' ~ i %}{% endfor %}{{ ns.s | length }}",
    "{% set ns = namespace(s=[]) %}{% for i in range(1000) %}{% set ns.s = ns.s + [i] %}{% endfor %}{{ ns.s | length }}",
];

/// Started by [`no_template_uses_much_more_memory_than_its_line`] with little memory, and only then does
/// anything.
#[test]
#[ignore = "is started by another test with little memory"]
fn template_memory_is_limited() {
    let text = "a".repeat(7 << 20);
    let items = vec!["1"; 200_000].join(",");
    let deep = format!("{}{}{}", "[".repeat(100), vec!["1"; 20_000].join(","), "]".repeat(100));
    let (angles, lines) = ("<".repeat(7 << 20), "x\\n".repeat(200_000));
    let row = object(&format!(
        r#"{{"text":"{text}","items":[{items}],"deep":{deep},"angles":"{angles}","lines":"{lines}"}}"#
    ));
    for source in EXPANSIONS {
        let error = render(source, &row).map(|made| made.len()).expect_err(source);
        assert!(
            error.contains("produces more than 16 MiB") || error.contains("too much work"),
            "{source}: {error}"
        );
    }
    for literal in ["x".repeat(100_000), "{% raw %}".to_owned() + &"{{ y }}".repeat(20_000) + "{% endraw %}"]
    {
        let source = format!(
            "{{% set x %}}{{% for i in items %}}{literal}{{% endfor %}}{{% endset %}}{{{{ x | length }}}}"
        );
        assert!(
            render(&source, &row).expect_err("long literals count").contains("produces more than"),
            "a literal"
        );
    }
    for source in HARMLESS {
        render(source, &row).expect(source);
    }
}

#[test]
fn no_template_uses_much_more_memory_than_its_line() {
    let this = std::env::current_exe().unwrap();
    let command = format!(
        "ulimit -v {}; exec \"$0\" --exact template_memory_is_limited --ignored --nocapture",
        MEMORY / 1024
    );
    let output = Command::new("sh").args(["-c", &command]).arg(this).output().unwrap();
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn column_names_may_be_beyond_ascii() {
    let row = object(r#"{"Größe": 3, "名前": "花", "straße": "a b"}"#);
    assert_eq!(render("{{ Größe }}{{ row['Größe'] }}{{ 名前 }}", &row).unwrap(), "33花");
    let template = Template::new("http://a/{{ straße }}", Place::Url).unwrap();
    assert_eq!(template.variables(), ["straße"]);
    assert_eq!(template.render(&row, &Arc::default()).unwrap(), "http://a/a%20b");
    assert_eq!(Template::new("{{ Größe }}", Place::Text).unwrap().column(), Some("Größe"));
}

#[test]
fn white_space_and_raw_text_are_rendered_unchanged() {
    let row = object(r#"{"a": "x", "b": 2}"#);
    let long = "long text ".repeat(40);
    for (source, expected) in [
        ("a  {%- if b %} y {% endif -%}  z".to_owned(), "a y z".to_owned()),
        ("{% raw %}{{ a + b }}{% endraw %}{{ a }}".to_owned(), "{{ a + b }}x".to_owned()),
        (format!("{long}  {{%- if b %}}{long}{{% endif %}}"), format!("{}{long}", long.trim_end())),
        (format!("{{% raw %}}{long}{{{{ a }}}}{{% endraw %}}"), format!("{long}{{{{ a }}}}")),
        ("{{ {'k': {'l': b}} | tojson }}".to_owned(), "{\"k\": {\"l\": 2}}".to_owned()),
        ("{{+ b + 1 +}}".to_owned(), "3".to_owned()),
        ("{{ 1 + 2 * 3 ~ '!' }}".to_owned(), String::new()),
    ] {
        let plain =
            minijinja::Environment::new().render_str(&source, minijinja::context! { a => "x", b => 2 });
        match plain {
            Ok(plain) => {
                assert_eq!(plain, expected, "{source}");
                assert_eq!(render(&source, &row).unwrap(), expected, "{source}");
            }
            Err(_) => assert!(render(&source, &row).is_err(), "{source}"),
        }
    }
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("o.k".to_owned()),
        Just("l[0]".to_owned()),
        Just("'s'".to_owned()),
        Just("\"q'+~*\" 't'".to_owned()),
        Just("1e2".to_owned()),
        Just("0x1e".to_owned()),
        (0..20_u32).prop_map(|n| n.to_string()),
        Just("(1, 2)".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "~", "*", "/", "//", "%", "==", "<", "and", "or", "in", "not in",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone(), prop::bool::ANY).prop_map(|(a, op, b, space)| {
                if space || op.chars().all(char::is_alphabetic) || op == "not in" {
                    format!("{a} {op} {b}")
                } else {
                    format!("{a}{op}{b}")
                }
            }),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            // The template machine reads `a == not b` as the variable `not`.
            inner.clone().prop_map(|a| format!("(not {a})")),
            inner.clone().prop_map(|a| format!("{a} | string")),
            inner.clone().prop_map(|a| format!("({a}) | default({a} ~ 'x')")),
            inner.clone().prop_map(|a| format!("{a} is number")),
            inner.clone().prop_map(|a| format!("({a}) is not divisibleby 3")),
            inner.clone().prop_map(|a| format!("({a}) is in l")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("{a} if {b} else {c}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'k': {a}, 'm': {b}}}")),
            inner.clone().prop_map(|a| format!("l[{a}:]")),
            inner.prop_map(|a| format!("range(*[{a}]) | list")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Operators that count what they make mean the same as those of the template engine. (Lists of the line
    /// as text do not: they keep the line's own JSON.)
    #[test]
    fn guarded_expressions_have_the_same_value(expression in expression(), statement in 0..4) {
        let source = match statement {
            0 => format!("{{% set x = {expression} %}}{{{{ x | tojson }}}}"),
            1 => format!("{{% if {expression} %}}yes{{% else %}}no{{% endif %}}"),
            2 => format!("{{% for x in [{expression}] if {expression} recursive %}}{{{{ x | tojson }}}};{{% endfor %}}"),
            _ => format!("{{{{ ({expression}) | tojson }}}}"),
        };
        let mut plain = minijinja::Environment::new();
        plain.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        plain.set_fuel(Some(20_000));
        let line = r#"{"a": 7, "b": "text", "o": {"k": 2.5}, "l": [3, "e"]}"#;
        let context: serde_json::Value = serde_json::from_str(line).unwrap();
        let expected = plain.render_str(&source, minijinja::value::Serde(&context));
        let template = match Template::new(&source, Place::Text) {
            Ok(template) => template,
            Err(_) => { prop_assert!(expected.is_err(), "{}", source); return Ok(()) }
        };
        let rendered = template.render(&object(line), &Arc::default());
        prop_assert_eq!(rendered.ok(), expected.ok(), "{}", source);
    }
}
