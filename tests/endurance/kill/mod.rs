//! The real process, killed (SIGKILL) wherever it stands, and continued by the same command.

mod moment;
mod run;
mod tally;

use moment::Moment;
use run::Matrix;
pub use tally::Tally;

#[test]
fn inside_the_split() {
    Matrix::new(true).survives_at(&[Moment::Started, Moment::Claimed, Moment::Splitting, Moment::Split]);
}

#[test]
fn between_flushes() {
    Matrix::new(false).survives_at(&[Moment::FirstRequest, Moment::Flushes(1), Moment::Flushes(2), Moment::Commits(6)]);
}

#[test]
fn while_the_output_is_completed() {
    Matrix::new(true).survives_at(&[Moment::Merging, Moment::Joining, Moment::Joined, Moment::Published]);
}

#[test]
fn during_the_clean_up() {
    Matrix::new(true).survives_at(&[Moment::Reported, Moment::Tidying]);
}

#[test]
fn wherever_it_stands() {
    for seed in 1..=2 {
        println!("seed {seed}");
        Matrix::new(seed % 2 == 0).survives_seed(seed, 3);
    }
}

/// Kills at least so many processes: at every moment in turn, and at random ones.
pub fn many(kills: usize) -> Tally {
    let matrices = [Matrix::new(true), Matrix::new(false)];
    let mut tally = Tally::default();
    for seed in 1.. {
        if tally.kills >= kills {
            break;
        }
        println!("  seed {seed}, {} of {kills} kills", tally.kills);
        let matrix = &matrices[usize::from(seed % 4 == 0)];
        let moments = Moment::ALL.into_iter().filter(|moment| moment.number() % 3 == seed as usize / 2 % 3);
        tally.add(&match seed % 2 {
            0 => matrix.survives_at(&moments.collect::<Vec<_>>()),
            _ => matrix.survives_seed(seed, 5),
        });
    }
    tally
}
