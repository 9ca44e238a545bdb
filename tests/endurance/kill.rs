//! The real process, killed (SIGKILL) wherever it stands, and continued by the same command.

mod moment;
mod run;
mod story;
mod tally;

use moment::Moment;
use run::Matrix;
use story::Story;
pub use tally::Tally;

#[test]
fn inside_the_split() {
    let moments = [Moment::Started, Moment::Claimed, Moment::Splitting, Moment::Split];
    Matrix::new(Story::AllSucceed).survives_at(&moments).met(&[Moment::Started]);
}

#[test]
fn between_flushes() {
    let moments = [Moment::FirstRequest, Moment::Flushes(1), Moment::Flushes(2), Moment::Commits(6)];
    Matrix::new(Story::SomeFail).survives_at(&moments).met(&moments[..2]);
}

#[test]
fn while_the_output_is_completed() {
    Matrix::new(Story::AllSucceed)
        .survives_at(&[Moment::Merging, Moment::Joining, Moment::Joined, Moment::Published])
        .met(&[]);
}

#[test]
fn during_the_clean_up() {
    Matrix::new(Story::AllSucceed).survives_at(&[Moment::Reported, Moment::Tidying]).met(&[]);
}

#[test]
fn a_redrive() {
    let moments =
        [Moment::Started, Moment::FirstRequest, Moment::Flushes(1), Moment::Published, Moment::Tidying];
    Matrix::new(Story::Redriven).survives_at(&moments).met(&moments[..3]);
}

#[test]
fn wherever_it_stands() {
    for (seed, story) in [(1, Story::SomeFail), (2, Story::AllSucceed)] {
        println!("seed {seed}");
        Matrix::new(story).survives_seed(seed, 3);
    }
}

/// Kills at least so many processes: at every moment in turn, and at random ones.
pub fn many(kills: usize) -> Tally {
    let [all_succeed, some_fail, redriven] =
        [Story::AllSucceed, Story::SomeFail, Story::Redriven].map(Matrix::new);
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
