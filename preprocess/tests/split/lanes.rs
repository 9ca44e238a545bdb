//! The lane of each line.

use job::LaneKind;

use crate::case::run;

#[test]
fn lines_are_routed_to_the_lane_of_their_provider() {
    let job = "[request]\nurl = \"{{ url }}\"\n[limits.\"a.test\"]\nrate = \"1/s\"\n[limits.\"*.b.test\"]\nrate = \"1/s\"\n";
    let input = b"http://a.test/1\nhttps://x.b.test/\nhttp://c.test:81/\nnonsense\nftp://a.test/\nhttp://A.TEST:80/2\n";
    let job = job.replace("{{ url }}", "{{ line }}");
    let (plan, lines) = run(&job, "x.txt", input);
    let got: Vec<_> = lines
        .iter()
        .map(|line| (line.lane.split('-').next().unwrap(), line.key.as_deref(), line.error.as_deref()))
        .collect();
    assert_eq!(got[0], ("a.test", None, None));
    assert_eq!(got[1], ("_.b.test", None, None));
    assert_eq!(got[2], ("other", Some("c.test:81"), None));
    assert_eq!((got[3].2, got[4].2), (Some("url"), Some("url")));
    assert_eq!(got[5], ("a.test", None, None));
    assert!(plan.lanes.iter().any(|lane| lane.kind == LaneKind::Named { provider: "*.b.test".to_owned() }));
}

#[test]
fn lines_are_routed_by_a_column_or_a_template() {
    for by in ["{{ p }}", "{{ p | upper | lower }}"] {
        let job = format!(
            "[request]\nurl = \"http://{{{{ p }}}}.test/\"\n[limits]\nby = \"{by}\"\n[limits.one]\nrate = \"5/s\"\n"
        );
        let (_, lines) = run(&job, "x.csv", b"p\none\ntwo\none\n");
        let got: Vec<_> = lines.iter().map(|line| (line.lane.as_str(), line.key.as_deref())).collect();
        assert_eq!((got[0], got[2]), (("one", None), ("one", None)));
        assert_eq!(got[1].1, Some("two"));
    }
}
