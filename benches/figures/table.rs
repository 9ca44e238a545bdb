//! The table that is printed: one row per figure.

/// One figure.
pub(crate) struct Row {
    name: String,
    measured: f64,
    unit: &'static str,
    /// The same of the reference.
    reference: Option<f64>,
    goal: Option<Goal>,
}

enum Goal {
    Least(f64),
    Most(f64),
    /// The ratio to the reference.
    RatioLeast(f64),
    RatioMost(f64),
    /// The ratio is 1, give or take this much.
    RatioWithin(f64),
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self { name: name.into(), measured, unit, reference: None, goal: None }
    }

    pub(crate) fn reference(self, reference: f64) -> Self {
        Self { reference: Some(reference), ..self }
    }

    pub(crate) fn at_least(self, bound: f64) -> Self {
        Self { goal: Some(Goal::Least(bound)), ..self }
    }

    pub(crate) fn at_most(self, bound: f64) -> Self {
        Self { goal: Some(Goal::Most(bound)), ..self }
    }

    pub(crate) fn ratio_at_least(self, bound: f64) -> Self {
        Self { goal: Some(Goal::RatioLeast(bound)), ..self }
    }

    pub(crate) fn ratio_at_most(self, bound: f64) -> Self {
        Self { goal: Some(Goal::RatioMost(bound)), ..self }
    }

    pub(crate) fn ratio_within(self, tolerance: f64) -> Self {
        Self { goal: Some(Goal::RatioWithin(tolerance)), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.reference.map(|reference| self.measured / reference)
    }

    fn target(&self) -> String {
        match &self.goal {
            None => String::new(),
            Some(Goal::Least(bound)) => format!("≥ {} {}", number(*bound), self.unit),
            Some(Goal::Most(bound)) => format!("≤ {} {}", number(*bound), self.unit),
            Some(Goal::RatioLeast(bound)) => format!("ratio ≥ {bound}"),
            Some(Goal::RatioMost(bound)) => format!("ratio ≤ {bound}"),
            Some(Goal::RatioWithin(tolerance)) => format!("ratio 1 ± {tolerance}"),
        }
    }

    fn met(&self) -> &'static str {
        let ratio = self.ratio().unwrap_or(f64::NAN);
        let met = match self.goal {
            None => return "",
            Some(Goal::Least(bound)) => self.measured >= bound,
            Some(Goal::Most(bound)) => self.measured <= bound,
            Some(Goal::RatioLeast(bound)) => ratio >= bound,
            Some(Goal::RatioMost(bound)) => ratio <= bound,
            Some(Goal::RatioWithin(tolerance)) => (ratio - 1.0).abs() <= tolerance,
        };
        if met { "met" } else { "missed" }
    }
}

/// Prints rows with their columns aligned.
pub(crate) fn print(rows: &[Row]) {
    let head = ["figure", "measured", "", "reference", "ratio", "target", ""].map(str::to_owned);
    let cells = rows.iter().map(|row| {
        let ratio = row.ratio().map_or_else(String::new, |ratio| format!("{ratio:.3}"));
        let reference = row.reference.map_or_else(String::new, number);
        [
            row.name.clone(),
            number(row.measured),
            row.unit.to_owned(),
            reference,
            ratio,
            row.target(),
            row.met().to_owned(),
        ]
    });
    let lines: Vec<[String; 7]> = std::iter::once(head).chain(cells).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let [name, measured, unit, reference, ratio, target] = [0, 1, 2, 3, 4, 5].map(width);
    for [a, b, c, d, e, f, g] in &lines {
        let line =
            format!("{a:name$}  {b:>measured$} {c:unit$}  {d:>reference$}  {e:>ratio$}  {f:target$}  {g}");
        println!("{}", line.trim_end());
    }
}

/// Three digits or more of a number, with separators.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        small if small >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, fraction)| (whole, Some(fraction)));
    let mut separated = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            separated.push(',');
        }
        separated.push(digit);
    }
    fraction.map_or_else(|| separated.clone(), |fraction| format!("{separated}.{fraction}"))
}

/// The middle one, or the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}
