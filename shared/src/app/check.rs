//! Checks an order against what its location sells, before and after it is paid, by the rules of `domain::check`.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use super::ports::{AskAvailability, PortError, ReadMenu};
use crate::domain::{
    check::{Offer, Rules, check},
    contract::{Contract, PricePolicy},
    details::Item,
    directory::Location,
    menu::StoredMenu,
    order::{Order, Totals},
    status::OrderError,
};

/// What the menu makes of the totals of an order that can be taken, if there is one; or every reason why it cannot.
pub type Verdict = Result<Option<Totals>, Vec<OrderError>>;

/// The use case and its port.
#[derive(Debug)]
pub struct Check<M> {
    /// The stored menus.
    pub menus: M,
    /// What PAR has not told us.
    pub contract: Arc<Contract>,
}

impl<M: ReadMenu> Check<M> {
    /// Checks an order that is paid.
    ///
    /// # Errors
    /// [`PortError`] when the menu cannot be told.
    pub async fn paid(&self, location: &Location, order: &Order) -> Result<Verdict, PortError> {
        let stored = self.menu(location).await?;
        Ok(self.verdict(location, stored.as_deref(), order, self.contract.prices.at_submit(), &HashSet::new()))
    }

    /// Checks an order before it is paid. Where the location wants it, its POS is asked for up to `limit` what is sold out;
    /// what it does not say, the stored menu does.
    ///
    /// # Errors
    /// [`PortError`] when the menu cannot be told.
    pub async fn unpaid(
        &self,
        location: &Location,
        order: &Order,
        pos: &impl AskAvailability,
        limit: Duration,
    ) -> Result<Verdict, PortError> {
        let began = tokio::time::Instant::now();
        let stored = self.menu(location).await?;
        let asks = location.enabled && location.live_availability && stored.is_some();
        let live = if asks {
            let details = order.details();
            let mut ids = BTreeSet::new();
            collect(&details.items, &mut ids);
            match pos.sold_out(location, &ids, limit.saturating_sub(began.elapsed())).await {
                Ok(live) => live,
                Err(error) => {
                    tracing::warn!(%error, location.id = %location.location_id, "the POS does not say what is sold out; the stored menu does");
                    HashSet::new()
                }
            }
        } else {
            HashSet::new()
        };
        Ok(self.verdict(location, stored.as_deref(), order, self.contract.prices, &live))
    }

    async fn menu(&self, location: &Location) -> Result<Option<Arc<StoredMenu>>, PortError> {
        self.menus.menu(&location.organization_id, &location.location_id).await
    }

    fn verdict(
        &self,
        location: &Location,
        stored: Option<&StoredMenu>,
        order: &Order,
        prices: PricePolicy,
        live: &HashSet<String>,
    ) -> Verdict {
        let rules = Rules { prices, menu_required: self.contract.menu_required };
        let sold_out: HashSet<String> = stored.map(|stored| stored.sold_out.union(live).cloned().collect()).unwrap_or_default();
        check(location, stored.map(|stored| Offer { menu: &stored.menu, sold_out: &sold_out }), order, rules)
    }
}

fn collect<'a>(items: &'a [Item], ids: &mut BTreeSet<&'a str>) {
    for item in items {
        ids.extend(item.id.as_deref());
        collect(&item.modifiers, ids);
    }
}
