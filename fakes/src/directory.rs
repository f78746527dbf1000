//! Who may call, what is mapped, and what they sell.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
};

use posnext_shared::{
    app::ports::*,
    domain::{
        ability::Abilities,
        directory::{Client, Location, Organization},
        ids::ParId,
        menu::{Menu, StoredMenu},
        older::kept,
        signature::SharedId,
        time::UnixMillis,
        token::ClientSecret,
    },
};

use crate::world::location;

/// A directory of one location, or of none.
#[derive(Debug)]
pub struct OneLocation(pub Option<Abilities>);

impl Directory for OneLocation {
    async fn clients(&self) -> Result<Arc<Vec<Client>>, PortError> {
        Ok(Arc::default())
    }
    async fn organization(&self, _: &ParId) -> Result<Option<Arc<Organization>>, PortError> {
        Ok(None)
    }
    async fn location(&self, _: &ParId, _: &ParId) -> Result<Option<Arc<Location>>, PortError> {
        Ok(self.0.map(|abilities| Arc::new(location(abilities))))
    }
}

/// A directory in which every location is this one.
#[derive(Debug)]
pub struct Here(pub Location);

impl Directory for Here {
    async fn clients(&self) -> Result<Arc<Vec<Client>>, PortError> {
        Ok(Arc::default())
    }
    async fn organization(&self, _: &ParId) -> Result<Option<Arc<Organization>>, PortError> {
        Ok(None)
    }
    async fn location(&self, _: &ParId, _: &ParId) -> Result<Option<Arc<Location>>, PortError> {
        Ok(Some(Arc::new(self.0.clone())))
    }
}

/// A directory that does not answer.
#[derive(Debug)]
pub struct Unreadable;

impl Directory for Unreadable {
    async fn clients(&self) -> Result<Arc<Vec<Client>>, PortError> {
        Err(PortError::Unavailable("injected".to_owned()))
    }
    async fn organization(&self, _: &ParId) -> Result<Option<Arc<Organization>>, PortError> {
        Err(PortError::Unavailable("injected".to_owned()))
    }
    async fn location(&self, _: &ParId, _: &ParId) -> Result<Option<Arc<Location>>, PortError> {
        Err(PortError::Unavailable("injected".to_owned()))
    }
}

/// A directory, the secrets it names, and the menus of its locations. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Mapped(pub Arc<MappedInner>);

/// What it is made of.
#[derive(Debug, Default)]
pub struct MappedInner {
    /// Who may call.
    pub clients: Mutex<Vec<Client>>,
    /// The organizations.
    pub organizations: Mutex<HashMap<ParId, Organization>>,
    /// The locations, by organization and location.
    pub locations: Mutex<HashMap<(ParId, ParId), Location>>,
    /// The live values of secrets, each with its id, by the secret's name.
    pub secrets: Mutex<HashMap<String, Vec<(String, String)>>>,
    /// The menus, by organization and location.
    pub menus: Mutex<HashMap<(ParId, ParId), Arc<StoredMenu>>>,
    /// Whether no menu can be read.
    pub menus_down: Mutex<bool>,
    /// What is remembered of the menus, where that is not what is stored.
    pub remembered: Mutex<HashMap<(ParId, ParId), Arc<StoredMenu>>>,
    /// Every menu that was ever stored, by its version.
    pub versions: Mutex<HashMap<String, Arc<Menu>>>,
    /// What keeps older menus from being read.
    pub older_down: Mutex<Option<PortError>>,
    /// How often a stored or an older menu was read anew.
    pub read_anew: Mutex<usize>,
}

impl Mapped {
    /// Writes a location.
    pub fn put_location(&self, location: Location) {
        let key = (location.organization_id.clone(), location.location_id.clone());
        self.0.locations.lock().unwrap().insert(key, location);
    }

    /// Writes a secret with one live value.
    pub fn put_secret(&self, name: &str, id: &str, value: &str) {
        self.0.secrets.lock().unwrap().insert(name.to_owned(), vec![(id.to_owned(), value.to_owned())]);
    }

    fn live(&self, name: &str) -> Result<Vec<(String, String)>, PortError> {
        let secrets = self.0.secrets.lock().unwrap();
        secrets.get(name).cloned().ok_or_else(|| PortError::Unavailable(format!("there is no secret {name}")))
    }
}

impl Directory for Mapped {
    async fn clients(&self) -> Result<Arc<Vec<Client>>, PortError> {
        Ok(Arc::new(self.0.clients.lock().unwrap().clone()))
    }
    async fn organization(&self, id: &ParId) -> Result<Option<Arc<Organization>>, PortError> {
        Ok(self.0.organizations.lock().unwrap().get(id).cloned().map(Arc::new))
    }
    async fn location(&self, organization: &ParId, id: &ParId) -> Result<Option<Arc<Location>>, PortError> {
        Ok(self.0.locations.lock().unwrap().get(&(organization.clone(), id.clone())).cloned().map(Arc::new))
    }
}

impl Secrets for Mapped {
    async fn client_secrets(&self, name: &str, _: Refresh) -> Result<Arc<Vec<ClientSecret>>, PortError> {
        let live: Vec<_> = self.live(name)?.iter().filter_map(|(_, value)| ClientSecret::new(value.as_bytes())).collect();
        if live.is_empty() {
            Err(PortError::Corrupt(format!("{name} has no value that can be used")))
        } else {
            Ok(Arc::new(live))
        }
    }
    async fn shared_ids(&self, name: &str, _: Refresh) -> Result<Arc<Vec<SharedId>>, PortError> {
        let live: Vec<_> = self.live(name)?.into_iter().filter_map(|(id, value)| SharedId::new(id, &value).ok()).collect();
        if live.is_empty() {
            Err(PortError::Corrupt(format!("{name} has no value that can be used")))
        } else {
            Ok(Arc::new(live))
        }
    }
    async fn pos_secret(&self, name: &str, _: Refresh) -> Result<String, PortError> {
        let first = self.live(name)?.into_iter().next();
        first.map(|(_, value)| value).ok_or_else(|| PortError::Unavailable(format!("{name} has no live value")))
    }
    async fn refresh_stale(&self) {}
}

impl ReadMenu for Mapped {
    async fn menu(&self, organization: &ParId, location: &ParId) -> Result<Option<Arc<StoredMenu>>, PortError> {
        if *self.0.menus_down.lock().unwrap() {
            return Err(PortError::Unavailable("injected".to_owned()));
        }
        let key = (organization.clone(), location.clone());
        let remembered = self.0.remembered.lock().unwrap().get(&key).cloned();
        Ok(remembered.or_else(|| self.0.menus.lock().unwrap().get(&key).cloned()))
    }
    async fn fresh(&self, organization: &ParId, location: &ParId) -> Result<Option<Arc<StoredMenu>>, PortError> {
        *self.0.read_anew.lock().unwrap() += 1;
        self.0.remembered.lock().unwrap().remove(&(organization.clone(), location.clone()));
        self.menu(organization, location).await
    }
    async fn older(&self, _: &ParId, _: &ParId, version: &str) -> Result<Option<Arc<Menu>>, PortError> {
        *self.0.read_anew.lock().unwrap() += 1;
        match self.0.older_down.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(self.0.versions.lock().unwrap().get(version).cloned()),
        }
    }
}

impl SaveMenu for Mapped {
    async fn save(
        &self,
        organization: &ParId,
        location: &ParId,
        menu: &Menu,
        now: UnixMillis,
    ) -> Result<Arc<StoredMenu>, PortError> {
        let mut menus = self.0.menus.lock().unwrap();
        let before = menus.get(&(organization.clone(), location.clone()));
        // What is sold out stays so.
        let sold_out = before.map(|stored| stored.sold_out.clone()).unwrap_or_default();
        // The same for the same content.
        let mut content = DefaultHasher::new();
        format!("{:?}", menu.content()).hash(&mut content);
        let version = format!("{:016x}", content.finish());
        let replaced = before.map(|stored| stored.version.as_str());
        let older = kept(replaced, before.map_or(&[], |stored| stored.older.as_slice()), &version, now);
        let menu = Arc::new(menu.clone());
        self.0.versions.lock().unwrap().insert(version.clone(), Arc::clone(&menu));
        let stored = Arc::new(StoredMenu { menu, version, put_at: now, sold_out, older });
        menus.insert((organization.clone(), location.clone()), Arc::clone(&stored));
        Ok(stored)
    }
}
