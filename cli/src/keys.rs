//! Where the keys of profiles are kept: the keyring of the operating system, or a file that only its user can read.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use openrouter_kit::models::Secret;

use crate::config::{config_dir, write_private};
use crate::exit::Failure;
use crate::output;

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Store {
    /// The keyring of the operating system.
    Keyring,
    /// The file keys.toml next to the configuration, readable only by its user.
    File,
}

impl Store {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Keyring => "the keyring",
            Self::File => "the file keys.toml",
        }
    }
}

/// Returns the key of a profile and where it is.
pub(crate) fn load(profile: &str) -> Result<Option<(Secret, Store)>, Failure> {
    if let Some(key) = read_file()?.remove(profile) {
        return Ok(Some((key, Store::File)));
    }
    Ok(keyring::load(profile).map(|key| (key, Store::Keyring)))
}

/// Saves the key of a profile. Without a choice that is the keyring, or the file if there is none.
pub(crate) fn save(profile: &str, key: &Secret, store: Option<Store>) -> Result<Store, Failure> {
    if store != Some(Store::File) {
        match keyring::save(profile, key) {
            Ok(()) => {
                change_file(|keys| keys.remove(profile).is_some())?;
                return Ok(Store::Keyring);
            }
            Err(error) if store == Some(Store::Keyring) => {
                let text = format!("the keyring cannot be used: {error}; use `--store file`");
                return Err(Failure::Other(text));
            }
            Err(error) => output::hint(format_args!("the keyring cannot be used: {error}")),
        }
    }
    change_file(|keys| keys.insert(profile.to_owned(), key.clone()).as_ref() != Some(key))?;
    // An older key must not come back when the file is deleted.
    keyring::delete(profile);
    Ok(Store::File)
}

/// Deletes the key of a profile; `false` if there is none.
pub(crate) fn delete(profile: &str) -> Result<bool, Failure> {
    let was_in_file = change_file(|keys| keys.remove(profile).is_some())?;
    Ok(keyring::delete(profile) || was_in_file)
}

fn path() -> Result<PathBuf, Failure> {
    Ok(config_dir()?.join("keys.toml"))
}

fn read_file() -> Result<BTreeMap<String, Secret>, Failure> {
    let path = path()?;
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Failure::io(path.display(), error)),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).map(|file| file.permissions().mode()).unwrap_or_default();
        if mode & 0o077 != 0 {
            let advice = format!("{0} can be read by others; run `chmod 600 {0}`", path.display());
            return Err(Failure::Authentication(advice));
        }
    }
    // The error of the parser would show the line, and with it a key.
    let keys: BTreeMap<String, String> = toml::from_str(&text)
        .map_err(|_| Failure::Usage(format!("{} is not a list of keys; sign in again", path.display())))?;
    Ok(keys.into_iter().map(|(profile, key)| (profile, key.into())).collect())
}

/// Changes the file; `change` returns whether there is something to write.
fn change_file(change: impl FnOnce(&mut BTreeMap<String, Secret>) -> bool) -> Result<bool, Failure> {
    let mut keys = read_file()?;
    if !change(&mut keys) {
        return Ok(false);
    }
    let exposed: BTreeMap<_, _> = keys.iter().map(|(profile, key)| (profile, key.expose())).collect();
    let text = toml::to_string(&exposed).map_err(|error| Failure::Other(error.to_string()))?;
    write_private(&path()?, &text)?;
    Ok(true)
}

#[cfg(feature = "keyring")]
mod keyring {
    use ::keyring::{Entry, Result};
    use openrouter_kit::models::Secret;

    const SERVICE: &str = "openrouter-kit-cli";

    /// A keyring that cannot be asked holds no key.
    pub(super) fn load(profile: &str) -> Option<Secret> {
        Entry::new(SERVICE, profile).ok()?.get_password().ok().map(Secret::from)
    }

    pub(super) fn save(profile: &str, key: &Secret) -> Result<()> {
        Entry::new(SERVICE, profile)?.set_password(key.expose())
    }

    pub(super) fn delete(profile: &str) -> bool {
        Entry::new(SERVICE, profile).is_ok_and(|entry| entry.delete_credential().is_ok())
    }
}

#[cfg(not(feature = "keyring"))]
mod keyring {
    use openrouter_kit::models::Secret;

    pub(super) fn load(_: &str) -> Option<Secret> {
        None
    }

    pub(super) fn save(_: &str, _: &Secret) -> Result<(), &'static str> {
        Err("this program was built without support for it")
    }

    pub(super) fn delete(_: &str) -> bool {
        false
    }
}
