//! `keys`: the keys that seal secrets in the database. Files are written here; what is stored is sealed anew by the service.

mod stored;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;

use super::{console::Console, failure::Failure};
use crate::{
    app::SystemClock,
    domain::clock::Clock as _,
    keyring::{Document, file},
};

/// Make and change the keys that seal secrets in the database
///
/// Secrets of accounts, and names, phones and addresses of orders, are stored encrypted. The keys come from outside: a file
/// (--key-file of `serve`, HAIER_INTEGRATION_KEY_FILE) or a variable with its text (HAIER_INTEGRATION_KEYS). Whoever has the
/// keys and the database can read everything; whoever loses the keys has lost what they seal. Keep a copy, and not beside
/// the backups of the database.
///
/// A file holds several keys. All of them open, the primary one seals. To change to a new key while every replica serves:
/// first give all replicas a file in which the new key stands (`keys add`), so that each can open what any other seals; only
/// then make it the primary one (`keys promote`), and seal anew what the old one sealed (`keys rotate`). A service reads its file again within a second when it changes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration keys generate /etc/haier/keys.toml      a first key file, for its owner alone
  haier-integration serve --key-file /etc/haier/keys.toml
  haier-integration keys add /etc/haier/keys.toml           a second key, which only opens at first
  haier-integration keys promote /etc/haier/keys.toml ID    it seals from now on
  haier-integration keys rotate                             what the first one sealed is sealed anew
  haier-integration keys list                               the first one has nothing left, and may go")]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    Generate(GenerateArgs),
    Add(AddArgs),
    Promote(PromoteArgs),
    Rotate(stored::RotateArgs),
    List(stored::ListArgs),
}

/// Make a first key file
///
/// Writes a new random key, and one for comparing without reading (hmac), to FILE, which only its owner may read. A file that
/// is there is never overwritten. Without FILE the document is printed, for a secret store or HAIER_INTEGRATION_KEYS.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration keys generate /etc/haier/keys.toml
  kubectl create secret generic haier-keys --from-literal=keys.toml=\"$(haier-integration keys generate)\"
  HAIER_INTEGRATION_KEYS=\"$(haier-integration keys generate)\" haier-integration serve")]
struct GenerateArgs {
    /// The file to make [default: none, print it]
    file: Option<PathBuf>,
}

/// Add a new key to a key file
///
/// It opens but does not seal yet: the first of two steps. When every replica has the file, make it the primary one by `keys
/// promote`. With a single process both steps can be one (--primary).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration keys add /etc/haier/keys.toml
  haier-integration keys add haier.db.keys --primary        one process: the second step at once")]
struct AddArgs {
    /// The key file
    file: PathBuf,
    /// Let the new key seal from now on. With several replicas only after all of them have it
    #[arg(long)]
    primary: bool,
}

/// Let another key of a key file seal from now on
///
/// The second of two steps, when every replica has a file with this key. What other keys sealed still opens, and is sealed
/// anew by `keys rotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration keys promote /etc/haier/keys.toml 20261122-3fa9c1
  haier-integration keys promote haier.db.keys 20261122-3fa9c1")]
struct PromoteArgs {
    /// The key file
    file: PathBuf,
    /// The key's id, as it stands in the file
    id: String,
}

pub(super) async fn run(args: KeysArgs, console: &mut Console) -> Result<u8, Failure> {
    match args.command {
        KeysCommand::Generate(args) => generate(args.file.as_deref(), console)?,
        KeysCommand::Add(args) => add(&args, console)?,
        KeysCommand::Promote(args) => promote(&args, console)?,
        KeysCommand::Rotate(args) => return stored::rotate(&args, console).await,
        KeysCommand::List(args) => return stored::list(&args, console).await,
    }
    Ok(0)
}

fn generate(path: Option<&Path>, console: &mut Console) -> Result<(), Failure> {
    let document = Document::generate(SystemClock::new().now()).map_err(anyhow::Error::from)?;
    let text = document.to_text();
    let Some(path) = path else {
        return Ok(console.say(text.expose_secret().trim_end())?);
    };
    let shown = path.display();
    let made = file::create(path, &text).with_context(|| format!("{shown} cannot be written"))?;
    if !made {
        let line =
            format!("{shown} is there already and is left as it is; `keys add {shown}` adds a key to it");
        return Err(Failure::Failed(line));
    }
    console.say(&format!(
        "{shown} holds the key {}, readable by you alone. Keep a copy: without it what it seals is lost. Use it by \
         `haier-integration serve --key-file {shown}`",
        document.primary()
    ))?;
    Ok(())
}

fn add(args: &AddArgs, console: &mut Console) -> Result<(), Failure> {
    let mut document = read(&args.file)?;
    let id = document.add(SystemClock::new().now()).map_err(anyhow::Error::from)?;
    if args.primary {
        document.promote(&id);
    }
    write(&args.file, &document)?;
    let file = args.file.display();
    console.say(&if args.primary {
        format!("{file}: the new key {id} seals from now on. {ROTATE}")
    } else {
        format!(
            "{file}: the new key {id} opens, {} still seals. When every replica has this file: `haier-integration keys \
             promote {file} {id}`",
            document.primary()
        )
    })?;
    Ok(())
}

fn promote(args: &PromoteArgs, console: &mut Console) -> Result<(), Failure> {
    let mut document = read(&args.file)?;
    let file = args.file.display();
    if !document.promote(&args.id) {
        let ids: Vec<_> = document.ids().collect();
        return Err(Failure::Usage(format!("{file} has no key {}; it has {}", args.id, ids.join(", "))));
    }
    write(&args.file, &document)?;
    console.say(&format!("{file}: the key {} seals from now on. {ROTATE}", args.id))?;
    Ok(())
}

const ROTATE: &str = "Seal anew what other keys sealed by `haier-integration keys rotate`";

fn read(path: &Path) -> Result<Document, Failure> {
    let text = file::read(path).map_err(anyhow::Error::from)?;
    Document::parse(text.expose_secret())
        .map_err(|problems| Failure::Failed(format!("{}: {}", path.display(), problems.join("; "))))
}

fn write(path: &Path, document: &Document) -> Result<(), Failure> {
    let written = file::replace(path, &document.to_text());
    Ok(written.with_context(|| format!("{} cannot be written", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::console::Sink, keyring::KeyRing};

    fn console() -> (Console, Sink) {
        let out = Sink::default();
        (Console::of(Box::new(out.clone()), Box::new(Sink::default())), out)
    }

    #[test]
    fn a_key_is_added_in_two_steps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let (mut console, out) = console();
        generate(Some(&path), &mut console).unwrap();
        let Err(refused) = generate(Some(&path), &mut console) else { panic!() };
        assert!(refused.line().unwrap().contains("is left as it is"), "{refused:?}");
        let first = KeyRing::from_file(&path).unwrap().primary();

        add(&AddArgs { file: path.clone(), primary: false }, &mut console).unwrap();
        let ring = KeyRing::from_file(&path).unwrap();
        assert_eq!((ring.primary(), ring.ids().len()), (first.clone(), 2));
        let second = ring.ids().into_iter().find(|id| *id != first).unwrap();
        promote(&PromoteArgs { file: path.clone(), id: second.clone() }, &mut console).unwrap();
        assert_eq!(KeyRing::from_file(&path).unwrap().primary(), second);
        let Err(refused) = promote(&PromoteArgs { file: path.clone(), id: "x".to_owned() }, &mut console)
        else {
            panic!()
        };
        assert_eq!(refused.code(), 2);
        add(&AddArgs { file: path.clone(), primary: true }, &mut console).unwrap();
        let ring = KeyRing::from_file(&path).unwrap();
        assert!(ring.ids().len() == 3 && ring.primary() != second);
        assert!(out.text().contains("keys rotate"), "{}", out.text());
    }

    #[test]
    fn without_a_file_the_keys_are_printed() {
        let (mut console, out) = console();
        generate(None, &mut console).unwrap();
        KeyRing::from_text(&out.text().into()).unwrap();
    }
}
