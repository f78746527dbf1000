//! Checks an order against what its location sells, before and after it is paid, by the rules of `domain::check`.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    ports::{AskAvailability, PortError, ReadMenu},
    world::{Checks, World},
};
use crate::domain::{
    check::{Offer, Rules, check},
    contract::{Contract, PricePolicy},
    details::Item,
    directory::Location,
    menu::StoredMenu,
    older::may_mend,
    order::{Order, Totals},
    status::OrderError,
    time::UnixMillis,
};

/// What the menu makes of the totals of an order that can be taken, if there is one; or every reason why it cannot.
pub type Verdict = Result<Option<Totals>, Vec<OrderError>>;

/// The use case and its port.
#[derive(Debug)]
pub struct Check<W: World> {
    /// The stored menus.
    pub menus: W::Menus,
    /// What PAR has not told us.
    pub contract: Arc<Contract>,
}

impl<W: Checks> Check<W> {
    /// Checks an order that is paid. It is refused only by the menu as it is stored now, and by those before it whose
    /// prices hold.
    ///
    /// # Errors
    /// [`PortError`] when the menu cannot be told, or when one that is not known now may take the order.
    pub async fn paid(&self, location: &Location, order: &Order, now: UnixMillis) -> Result<Verdict, PortError> {
        let (prices, none) = (self.contract.prices.at_submit(), HashSet::new());
        let remembered = self.menu(location).await?;
        let verdict = self.verdict(location, remembered.as_deref(), order, prices, &none);
        if verdict.is_ok() || !location.enabled {
            return Ok(verdict);
        }
        // What is remembered here may be older than what validate went by.
        let stored = match self.menus.fresh(&location.organization_id, &location.location_id).await {
            Ok(stored) => stored,
            Err(PortError::Corrupt(error)) => {
                tracing::warn!(error, location.id = %location.location_id, "the menu cannot be read; what was read last serves on");
                remembered
            }
            Err(error) => return Err(error),
        };
        match (self.verdict(location, stored.as_deref(), order, prices, &none), stored) {
            (Err(faults), Some(stored)) if may_mend(&faults) => self.by_older(location, &stored, order, now, faults).await,
            (verdict, _) => Ok(verdict),
        }
    }

    /// Checks an order that the menu of now refuses by those before it, the newest first. What is sold out now stays so.
    async fn by_older(
        &self,
        location: &Location,
        stored: &StoredMenu,
        order: &Order,
        now: UnixMillis,
        faults: Vec<OrderError>,
    ) -> Result<Verdict, PortError> {
        let sold_out = stored.not_there();
        let rules = Rules { prices: self.contract.prices.at_submit(), menu_required: self.contract.menu_required };
        for older in stored.held(now) {
            let menu = match self.menus.older(&location.organization_id, &location.location_id, &older.version).await {
                Ok(Some(menu)) => menu,
                Ok(None) => continue,
                // It takes no order, and keeps none from being decided.
                Err(PortError::Corrupt(error)) => {
                    tracing::warn!(error, location.id = %location.location_id, "an older menu cannot be read");
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Ok(totals) = check(location, Some(Offer { menu: &menu, sold_out: &sold_out }), order, rules) {
                let (uid, version) = (order.request_uid(), &older.version);
                tracing::info!(order.request_uid = %uid, version, "a paid order is taken by the menu before it changed");
                return Ok(Ok(totals));
            }
        }
        Ok(Err(faults))
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
