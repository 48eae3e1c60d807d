//! Gathers the text that the example trains on: the workspace's book and sources.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the workspace and the ending of the files that are taken from them.
const PARTS: [(&str, &str); 2] = [("book/src", "md"), ("crates", "rs")];

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..");
    println!("cargo:rerun-if-changed=build.rs");

    let mut text = Vec::new();
    for (folder, ending) in PARTS {
        let folder = workspace.join(folder);
        if !folder.is_dir() {
            continue;
        }
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, ending, &mut files)?;
        files.sort();
        for file in files {
            text.extend(fs::read(file)?);
        }
    }

    fs::write(Path::new(&env::var("OUT_DIR")?).join("text"), text)?;
    Ok(())
}

fn collect(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, ending, files)?;
        } else if path.extension().is_some_and(|it| it == ending) {
            files.push(path);
        }
    }
    Ok(())
}
