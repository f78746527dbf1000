//! Orders that a location has to take: of what its menu sells, right to the cent.

use anyhow::bail;
use posnext_local::par::Par;

use crate::certify::{
    draft::{Draft, can_be_ordered},
    menu::Menu,
};

/// Orders to one location.
#[derive(Debug)]
pub struct Orders {
    organization: String,
    location: String,
    menu: Option<Menu>,
}

impl Orders {
    /// Asks for the location's menu. Without one that can be read the sample is ordered: what is wrong then is told by what
    /// becomes of it.
    ///
    /// # Errors
    /// That no answer came, or that the menu has nothing that can be ordered now.
    pub async fn of(par: &Par, organization: &str, location: &str) -> anyhow::Result<Self> {
        let answer = par.menus(organization, location).await?;
        let menu = Menu::parse(&answer.body).ok().filter(|_| answer.code.as_u16() == 200);
        if menu.as_ref().is_some_and(|menu| !can_be_ordered(menu)) {
            bail!(
                "the menu of {location} has nothing that can be ordered now: all is sold out, or needs a choice that is; name another location"
            );
        }
        Ok(Self { organization: organization.to_owned(), location: location.to_owned(), menu })
    }

    /// One of this id.
    #[must_use]
    pub fn order(&self, request_uid: &str) -> String {
        let draft = Draft::new(&self.organization, &self.location, self.menu.as_ref());
        Draft { uid: request_uid.to_owned(), online_order_id: format!("ORD-{request_uid}"), ..draft }.json()
    }
}
