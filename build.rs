//! Compiles `proto/` with protox (no protoc needed) into the gRPC code of `src/grpc` and the descriptor set that
//! reflection serves, and names the commit for `--version`.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use prost::Message;

const PROTOS: [&str; 2] =
    ["haier/integration/v1/haier_administration.proto", "haier/integration/v1/haier_integration.proto"];
const COMMIT: &str = "HAIER_INTEGRATION_COMMIT";
/// Characters of a commit that `--version` shows.
const COMMIT_LENGTH: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=migrations");
    name_commit();
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out_dir.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}

/// From the checkout; without one (an archive, a container's build) from the variable.
fn name_commit() {
    println!("cargo:rerun-if-env-changed={COMMIT}");
    let given = || env::var(COMMIT).ok().map(|commit| commit.trim().chars().take(COMMIT_LENGTH).collect());
    let commit = checked_out().or_else(given).filter(|commit| !commit.is_empty());
    println!("cargo:rustc-env={COMMIT}={}", commit.as_deref().unwrap_or("unknown"));
}

fn checked_out() -> Option<String> {
    // An archive unpacked within somebody else's repository is not at that one's commit.
    if !Path::new(".git").exists() {
        return None;
    }
    // Where these stand differs between a clone and a worktree. The log of HEAD moves with every commit, also where the
    // branch is packed and has no file. A file that is not there would count as changed at every build.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD", "logs/HEAD"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", &format!("--short={COMMIT_LENGTH}"), "HEAD"])
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
