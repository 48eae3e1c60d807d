//! What it takes to train Burn's guide across stages, counted and shown as the book says.

use std::fs;
use std::path::Path;

const BOOK: &str = include_str!("../../../book/src/learner.md");

fn lines(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_string).collect()
}

/// The lines that are only in `old`, marked with `-`, those only in `new` with `+`, in order, and
/// those in both with a blank: what is left of a longest common subsequence.
fn diff(old: &[String], new: &[String]) -> Vec<String> {
    let mut longest = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = match old[i] == new[j] {
                true => longest[i + 1][j + 1] + 1,
                false => longest[i + 1][j].max(longest[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut diff) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            diff.push(format!(" {}", old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && longest[i + 1][j] >= longest[i][j + 1] {
            diff.push(format!("-{}", old[i]));
            i += 1;
        } else {
            diff.push(format!("+{}", new[j]));
            j += 1;
        }
    }
    diff
}

fn changes(file: &str) -> Vec<String> {
    let diff = diff(
        &lines(&format!("plain/{file}")),
        &lines(&format!("pipelined/{file}")),
    );
    diff.into_iter()
        .filter(|line| !line.starts_with(' '))
        .collect()
}

fn count(changes: &[String], mark: char) -> usize {
    changes.iter().filter(|line| line.starts_with(mark)).count()
}

#[test]
fn training_takes_five_changed_lines_and_the_book_shows_them() {
    let changes = changes("training.rs");
    assert_eq!(count(&changes, '+'), 5, "{changes:#?}");
    assert_eq!(
        count(&changes, '-'),
        1,
        "the line that one of the five replaces"
    );

    let shown = BOOK.split("```diff\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let shown: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with(['+', '-']))
        .collect();
    assert_eq!(shown, changes);
}

#[test]
fn the_book_shows_the_model_and_the_step_as_they_are() {
    for file in ["model.rs", "step.rs"] {
        let source = lines(&format!("pipelined/{file}")).join("\n");
        let start = source
            .find("#[derive(Module, Sequential")
            .or(source.find("impl PipelineStep"));
        let start = start.unwrap();
        let end = start
            + source[start..]
                .find("\n}\n")
                .unwrap_or(source.len() - start);
        let shown = source[start..end].trim_end();
        assert!(BOOK.contains(shown), "{shown}");
    }
}

#[test]
fn the_book_says_how_much_else_has_changed() {
    for file in ["model.rs", "step.rs"] {
        let changes = changes(file);
        let (new, old) = (count(&changes, '+'), count(&changes, '-'));
        let said = format!("| `{file}` | {new} | {old} |");
        assert!(BOOK.contains(&said), "{said}");
    }
}
