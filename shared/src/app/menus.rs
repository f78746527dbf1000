//! Tells a location's menu, and fetches it from the POS when it has grown old.

use std::{sync::Arc, time::Duration};

use super::{
    ports::{Clock, FetchMenu, PortError, ReadMenu, SaveMenu},
    world::{TellsMenus, World},
};
use crate::domain::{
    directory::Location,
    menu::{Menu, StoredMenu},
};

/// The use case and its ports.
#[derive(Debug)]
pub struct Menus<W: World> {
    /// The stored menus.
    pub menus: W::Menus,
    /// Where they come from.
    pub pos: W::Pos,
    /// The time.
    pub clock: W::Clock,
    /// Age at which a menu is fetched again.
    pub refresh: Duration,
    /// How long the POS may take.
    pub limit: Duration,
}

impl<W: TellsMenus> Menus<W> {
    /// The location's menu, if it has one. What the POS does not hand out, or what is no menu, changes nothing.
    ///
    /// # Errors
    /// [`PortError`] when nothing can be told.
    pub async fn menu(&self, location: &Location) -> Result<Option<Arc<StoredMenu>>, PortError> {
        let stored = self.menus.menu(&location.organization_id, &location.location_id).await?;
        let now = self.clock.now();
        let fresh = stored.as_ref().is_some_and(|stored| now.since(stored.put_at) < self.refresh);
        if !location.pull_menu || fresh {
            return Ok(stored);
        }
        match self.pull(location).await {
            Ok(pulled) => Ok(Some(pulled)),
            Err(error) => {
                tracing::error!(alarm = "menu", %error, location.id = %location.location_id, "the menu could not be fetched");
                Ok(stored)
            }
        }
    }

    async fn pull(&self, location: &Location) -> Result<Arc<StoredMenu>, PortError> {
        let text = self.pos.fetch(location, self.limit).await?;
        let menu = Menu::parse(&text).map_err(|error| PortError::Corrupt(error.to_string()))?;
        self.menus.save(&location.organization_id, &location.location_id, &menu, self.clock.now()).await
    }
}
