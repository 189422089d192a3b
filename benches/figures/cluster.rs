//! The PostgreSQL server to measure on: a given one, or one made for this run with PostgreSQL's default settings.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use url::Url;

/// A server; one of ours is stopped and removed when dropped.
pub(crate) struct Cluster {
    url: Url,
    own: Option<Own>,
}

struct Own {
    bin: PathBuf,
    user: User,
    home: TempDir,
}

/// Whom the server runs as: `None` is ourselves. As root it refuses to run.
#[derive(Clone, Copy)]
struct User(Option<(u32, u32)>);

impl Cluster {
    /// The server of `BENCH_DATABASE_URL`, else one of our own; `None` where neither can be had.
    pub(crate) fn find() -> anyhow::Result<Option<Self>> {
        if let Ok(url) = env::var("BENCH_DATABASE_URL")
            && !url.is_empty()
        {
            let url = url.parse().context("BENCH_DATABASE_URL is no URL")?;
            return Ok(Some(Self { url, own: None }));
        }
        let Some(bin) = programs() else { return Ok(None) };
        Own::start(bin).map(Some)
    }

    /// Address of a database on it.
    pub(crate) fn database_url(&self, name: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(name);
        url
    }

    /// Address of the database that is always there.
    pub(crate) fn maintenance_url(&self) -> &Url {
        &self.url
    }

    /// Whose it is, for the table.
    pub(crate) fn description(&self) -> &'static str {
        if self.own.is_some() { "made for this run, default settings" } else { "of BENCH_DATABASE_URL" }
    }
}

impl Own {
    fn start(bin: PathBuf) -> anyhow::Result<Cluster> {
        let home = tempfile::Builder::new().prefix("haier-bench-pg-").tempdir()?;
        let user = User::of(home.path())?;
        let own = Self { bin, user, home };
        own.run(
            "initdb",
            &["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
        )?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        // Where it listens is all that is not PostgreSQL's default: fsync is on.
        let options = format!("-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c port={port}");
        own.run("pg_ctl", &["-D", "data", "-l", "log", "-w", "-s", "-o", &options, "start"])?;
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable").parse()?;
        Ok(Cluster { url, own: Some(own) })
    }

    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(self.bin.join(program));
        command.args(arguments).current_dir(self.home.path()).process_group(0).stdin(Stdio::null());
        if let Some((uid, gid)) = self.user.0 {
            command.uid(uid).gid(gid);
        }
        // To a file: the server would hold a pipe of ours open as long as it lives.
        let words = self.home.path().join(format!("{program}.out"));
        let output = fs::File::create(&words)?;
        let status = command.stdout(output.try_clone()?).stderr(output).status();
        if !status.with_context(|| format!("cannot start {program}"))?.success() {
            let log = fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
            bail!("{program} failed: {}{log}", fs::read_to_string(&words).unwrap_or_default());
        }
        Ok(())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Nothing of it is kept, so that it need not write anything down; fails when it never started.
        let _ = self.run("pg_ctl", &["-D", "data", "-m", "immediate", "-w", "stop"]);
    }
}

impl User {
    fn of(home: &Path) -> anyhow::Result<Self> {
        if fs::metadata("/proc/self")?.uid() != 0 {
            return Ok(Self(None));
        }
        let passwd = fs::read_to_string("/etc/passwd")?;
        let line = passwd.lines().find(|line| line.starts_with("postgres:"));
        let ids: Vec<u32> =
            line.unwrap_or_default().split(':').skip(2).flat_map(str::parse).take(2).collect();
        let [uid, gid] = ids[..] else { bail!("as root, a user `postgres` is needed to run PostgreSQL") };
        chown(home, Some(uid), Some(gid))?;
        Ok(Self(Some((uid, gid))))
    }
}

/// The folder of PostgreSQL's programs: in the path, else the newest that the system's packages have.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut packaged: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|all| all.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    let version =
        |path: &PathBuf| path.iter().rev().nth(1).and_then(|name| name.to_str()?.parse::<u32>().ok());
    packaged.sort_by_key(version);
    let folders = env::split_paths(&path).chain(packaged.into_iter().rev());
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}
