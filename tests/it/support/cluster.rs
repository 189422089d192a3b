//! A throw-away PostgreSQL for all test processes of this checkout: made by the first one, found by the others, and
//! ended by a watchdog once nobody has used it for some seconds. On 127.0.0.1 only, without fsync.

use std::{
    collections::hash_map::DefaultHasher,
    env,
    fs::{self, File},
    hash::{Hash as _, Hasher as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use super::Authority;

/// Stops the server when for ten seconds nobody has held the lock of `alive`. Whoever attaches takes `guard` first, so
/// that nobody attaches to a server that is being stopped.
const WATCHDOG: &str = r#"
exec 9<guard 8<alive
idle=0
while [ "$idle" -lt 5 ]; do
    sleep 2
    flock -x 9
    if flock -n -x 8; then flock -u 8; idle=$((idle + 1)); else idle=0; fi
    [ "$idle" -lt 5 ] && flock -u 9
done
"$1/pg_ctl" -D data -m immediate stop
rm -rf port data
"#;

const SETTINGS: &str = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n\
    synchronous_commit = off\nfull_page_writes = off\nmax_connections = 300\nshared_buffers = 64MB\n\
    autovacuum = off\nmax_wal_size = 512MB\nssl = on\nssl_cert_file = '../server.pem'\nssl_key_file = '../server.key'\n";

/// A server to make databases on.
pub(super) struct Server {
    /// Address of its maintenance database.
    pub(super) url: String,
    /// The authority of its certificate, which is for its address; none: it is not ours.
    pub(super) authority: Option<PathBuf>,
    /// Locked as long as this process lives, which keeps the server up.
    _alive: Option<File>,
}

/// The server of `TEST_DATABASE_URL`, else our own; or why there is none.
pub(super) fn server() -> Result<&'static Server, &'static str> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    let found = SERVER.get_or_init(|| match env::var("TEST_DATABASE_URL") {
        Ok(url) if !url.is_empty() => Ok(Server { url, authority: None, _alive: None }),
        _ => attach(),
    });
    found.as_ref().map_err(String::as_str)
}

fn attach() -> Result<Server, String> {
    let bin = programs().ok_or("neither TEST_DATABASE_URL is set nor are initdb and pg_ctl there")?;
    let mut key = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut key);
    let home = env::temp_dir().join(format!("haier-it-{:016x}", key.finish()));
    let explain = |error: std::io::Error| format!("{}: {error}", home.display());
    fs::create_dir_all(&home).map_err(explain)?;
    let user = User::of(&home).map_err(explain)?;
    let guard = open(&home.join("guard")).map_err(explain)?;
    guard.lock().map_err(explain)?;
    let alive = open(&home.join("alive")).map_err(explain)?;
    alive.lock_shared().map_err(explain)?;
    let running = fs::read_to_string(home.join("port")).ok().and_then(|port| port.trim().parse().ok());
    let port = match running.filter(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok()) {
        Some(port) => port,
        None => start(&bin, &home, &user)?,
    };
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
    Ok(Server { url, authority: Some(home.join("authority.pem")), _alive: Some(alive) })
}

fn open(path: &Path) -> std::io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

fn start(bin: &Path, home: &Path, user: &User) -> Result<u16, String> {
    let data = home.join("data");
    let failed = |error: std::io::Error| error.to_string();
    let command = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(bin.join(program));
        user.become_by(command.args(arguments).current_dir(home));
        succeed(command.stdin(Stdio::null()).output(), program)
    };
    if data.exists() {
        // Left by a machine that went down: nothing in it is worth anything.
        let _ = command("pg_ctl", &["-D", "data", "-m", "immediate", "stop"]);
        fs::remove_dir_all(&data).map_err(failed)?;
    }
    let locale = ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
    command("initdb", &[&["-D", "data", "-U", "postgres", "-A", "trust"][..], &locale].concat())?;
    user.own(&Authority::new(home, "authority").issue("server", &["127.0.0.1"]).key).map_err(failed)?;
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let port = free.map_err(failed)?.port();
    fs::write(data.join("postgresql.auto.conf"), format!("{SETTINGS}port = {port}\n")).map_err(failed)?;
    // Its output must not be a pipe of ours: the server would hold it open as long as it lives.
    let mut server = Command::new(bin.join("pg_ctl"));
    user.become_by(server.args(["-D", "data", "-l", "log", "-w", "-s", "start"]).current_dir(home));
    let (input, out, err) = (Stdio::null(), Stdio::null(), Stdio::null());
    let status = server.process_group(0).stdin(input).stdout(out).stderr(err).status().map_err(failed)?;
    if !status.success() {
        let log = fs::read_to_string(home.join("log")).unwrap_or_default();
        return Err(format!("PostgreSQL does not start: {log}"));
    }
    fs::write(home.join("port"), port.to_string()).map_err(failed)?;
    let mut watchdog = Command::new("sh");
    user.become_by(watchdog.args(["-c", WATCHDOG, "sh"]).arg(bin).current_dir(home));
    let (input, out, err) = (Stdio::null(), Stdio::null(), Stdio::null());
    watchdog.process_group(0).stdin(input).stdout(out).stderr(err).spawn().map_err(failed)?;
    Ok(port)
}

fn succeed(output: std::io::Result<Output>, program: &str) -> Result<(), String> {
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program} failed: {words}")) }
}

/// The folder of PostgreSQL's programs: in the path, else the newest that the system's packages have.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut packaged: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|all| all.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    packaged.sort();
    let folders = env::split_paths(&path).chain(packaged.into_iter().rev());
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

/// Whom the server runs as: ourselves, unless we are root, as whom it refuses to run.
struct User(Option<(u32, u32)>);

impl User {
    fn of(home: &Path) -> std::io::Result<Self> {
        let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        if !is_root {
            return Ok(Self(None));
        }
        let passwd = fs::read_to_string("/etc/passwd")?;
        let ids = |name: &str| {
            let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2).map(|id| id.parse().ok());
            Some((fields.next()??, fields.next()??))
        };
        let (uid, gid) = ids("postgres").or_else(|| ids("nobody")).unwrap_or((65_534, 65_534));
        chown(home, Some(uid), Some(gid))?;
        Ok(Self(Some((uid, gid))))
    }

    /// Gives him a file that he alone may read.
    fn own(&self, file: &Path) -> std::io::Result<()> {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
        let (uid, gid) = self.0.unzip();
        chown(file, uid, gid)
    }

    fn become_by(&self, command: &mut Command) {
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
    }
}
