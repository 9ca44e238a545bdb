//! The real process is killed (SIGKILL) at any moment, and the same command continues its run.

mod moment;
mod run;
mod scenario;
mod tally;

use moment::Moment;
use run::Matrix;
use scenario::Scenario;
pub use tally::Tally;

#[test]
fn killed_during_the_split() {
    let moments = [Moment::Started, Moment::Claimed, Moment::Splitting, Moment::Split];
    Matrix::new(Scenario::AllSucceed).survives_at(&moments).met(&[Moment::Started]);
}

#[test]
fn killed_between_flushes() {
    let moments = [Moment::FirstRequest, Moment::Flushes(1), Moment::Flushes(2), Moment::Commits(6)];
    Matrix::new(Scenario::SomeFail).survives_at(&moments).met(&moments[..2]);
}

#[test]
fn killed_while_the_output_is_completed() {
    Matrix::new(Scenario::AllSucceed)
        .survives_at(&[Moment::Merging, Moment::Joining, Moment::Joined, Moment::Published])
        .met(&[]);
}

#[test]
fn killed_during_the_clean_up() {
    Matrix::new(Scenario::AllSucceed).survives_at(&[Moment::Reported, Moment::Tidying]).met(&[]);
}

#[test]
fn killed_during_a_redrive() {
    let moments =
        [Moment::Started, Moment::FirstRequest, Moment::Flushes(1), Moment::Published, Moment::Tidying];
    Matrix::new(Scenario::Redriven).survives_at(&moments).met(&moments[..3]);
}

#[test]
fn killed_at_random_moments() {
    for (seed, scenario) in [(1, Scenario::SomeFail), (2, Scenario::AllSucceed)] {
        println!("seed {seed}");
        Matrix::new(scenario).survives_seed(seed, 3);
    }
}

/// Kills at least `kills` processes, at every moment in turn and at random moments.
pub fn many(kills: usize) -> Tally {
    let [all_succeed, some_fail, redriven] =
        [Scenario::AllSucceed, Scenario::SomeFail, Scenario::Redriven].map(Matrix::new);
    let mut tally = Tally::default();
    for seed in 1.. {
        if tally.kills >= kills {
            break;
        }
        println!("  seed {seed}, {} of {kills} kills", tally.kills);
        let matrix = match seed % 8 {
            0 | 4 => &some_fail,
            3 | 6 => &redriven,
            _ => &all_succeed,
        };
        let moments = matrix.moments().filter(|moment| moment.number() % 3 == seed as usize / 2 % 3);
        tally.add(&match seed % 2 {
            0 => matrix.survives_at(&moments.collect::<Vec<_>>()),
            _ => matrix.survives_seed(seed, 5),
        });
    }
    tally
}
