//! Who calls, and whether the request is signed: the token against the live Client Secrets, the digest against the live
//! SharedIds. A mismatch reads the secrets once more before it counts, so that a rotation refuses nobody.

use std::sync::Arc;

use super::{
    ports::{Clock, Directory, PortError, Refresh, Secrets},
    world::{Admits, World},
};
use crate::domain::{
    contract::{Contract, RequestDigest},
    directory::{Client, Organization},
    ids::ParId,
    order::Order,
    record::OrderRecord,
    signature::{DigestMessage, SharedId},
    token::{Expectations, Token, TokenError},
};

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// No bearer token.
    #[error("no bearer token")]
    NoToken,
    /// A token that does not verify.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It cannot be told now.
    #[error(transparent)]
    Unavailable(#[from] PortError),
}

/// Why a digest is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The header is absent.
    #[error("missing")]
    Missing,
    /// No live SharedId made it.
    #[error("mismatch")]
    Mismatch,
    /// It cannot be told now.
    #[error(transparent)]
    Unavailable(#[from] PortError),
}

/// Checks callers.
#[derive(Debug)]
pub struct Gate<W: World> {
    /// Who may call.
    pub directory: W::Directory,
    /// Client Secrets and SharedIds.
    pub secrets: W::Secrets,
    /// The time.
    pub clock: W::Clock,
    /// What a token must hold.
    pub expectations: Expectations,
    /// What PAR has not told us.
    pub contract: Arc<Contract>,
}

/// A request as it came, for the recipe that covers all of it.
#[derive(Debug, Clone, Copy)]
pub struct RawRequest<'a> {
    /// The path.
    pub path: &'a str,
    /// The body's bytes.
    pub body: &'a [u8],
    /// `x-pch-digest`, if there is one.
    pub digest: Option<&'a str>,
}

impl<W: Admits> Gate<W> {
    /// The client whose secret signed the token: its tenant is the caller's (docs/lifecycle.md#whose-order-it-is).
    ///
    /// # Errors
    /// [`Denied`] says why, for the log.
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Client, Denied> {
        let bearer =
            authorization.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = Token::parse(bearer.ok_or(Denied::NoToken)?.1.trim())?;
        let clients = self.directory.clients().await?;
        // A claim that names a client chooses whose secret is tried; a token without one is tried against all.
        let named = token.unverified_claims().client_ids().find_map(|id| clients.iter().find(|client| client.client_id == id));
        let candidates: Vec<&Client> = named.map_or_else(|| clients.iter().collect(), |client| vec![client]);
        let mut unavailable = None;
        for refresh in [Refresh::No, Refresh::Mismatch] {
            for client in &candidates {
                match self.secrets.client_secrets(&client.secret, refresh).await {
                    Ok(secrets) if token.signed_by(&secrets) => {
                        token.check_claims(&client.client_id, &self.expectations, self.clock.now())?;
                        return Ok((*client).clone());
                    }
                    Ok(_) => {}
                    Err(error) => unavailable = Some(error),
                }
            }
        }
        Err(unavailable.map_or(Denied::Token(TokenError::Signature), Denied::Unavailable))
    }

    /// The SharedId to sign with when a request does not say whose it is: that of the caller's only organization.
    pub async fn only_signer(&self, client: &Client) -> Option<SharedId> {
        let [id] = client.organizations.as_slice() else { return None };
        let organization = self.organization(client, id).await.ok()??;
        let shared_ids = self.secrets.shared_ids(&organization.shared_ids, Refresh::No).await.ok()?;
        shared_ids.first().cloned()
    }

    /// The SharedId that verified the submit, while it lives; else the one to use first.
    ///
    /// # Errors
    /// [`PortError`] when nobody can sign it.
    pub async fn signer_of(&self, record: &OrderRecord) -> Result<SharedId, PortError> {
        let (organization_id, location_id) = (record.order.organization_id(), record.order.location_id());
        let location = self.directory.location(organization_id, location_id).await?;
        let name = match location.and_then(|location| location.shared_ids.clone()) {
            Some(name) => name,
            None => match self.directory.organization(organization_id).await? {
                Some(organization) => organization.shared_ids.clone(),
                None => {
                    return Err(PortError::Corrupt("its organization is not mapped any more, so nobody can sign it".to_owned()));
                }
            },
        };
        let live = self.secrets.shared_ids(&name, Refresh::No).await?;
        let live = live.iter().find(|shared_id| shared_id.id() == record.shared_id).or(live.first());
        live.cloned().ok_or_else(|| PortError::Corrupt("its organization has no SharedId".to_owned()))
    }

    /// The organization, if it is mapped and this caller may speak for it.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be told.
    pub async fn organization(&self, client: &Client, id: &ParId) -> Result<Option<Organization>, PortError> {
        if !client.organizations.contains(id) {
            return Ok(None);
        }
        let organization = self.directory.organization(id).await?;
        // Orders, guards and topics go by the tenant. Under a second one, one order would be made twice.
        if let Some(organization) = organization.as_ref().filter(|organization| organization.tenant != client.tenant) {
            let (of, by) = (&organization.tenant, &client.tenant);
            tracing::error!(organization.id = %id, client.id = client.client_id, "an organization of tenant {of} counts as not \
                mapped for a client of tenant {by}");
            return Ok(None);
        }
        Ok(organization.map(|organization| (*organization).clone()))
    }

    /// Checks a request's digest; the SharedId to sign its answer with.
    ///
    /// # Errors
    /// [`DigestError`] says why it is not accepted.
    pub async fn verify(
        &self,
        client: &Client,
        shared_ids: &str,
        order: &Order,
        request: RawRequest<'_>,
    ) -> Result<SharedId, DigestError> {
        let digest = request.digest.ok_or(DigestError::Missing)?;
        match self.contract.request_digest {
            RequestDigest::Order => self.verify_order(shared_ids, order, digest).await,
            RequestDigest::PathAndBody => self.verify_all(client, shared_ids, request, digest).await,
        }
    }

    /// The SharedId that made the digest of an order's values.
    async fn verify_order(&self, shared_ids: &str, order: &Order, digest: &str) -> Result<SharedId, DigestError> {
        let exact = order.message(order.identity());
        let truncated: Vec<DigestMessage> = if self.contract.accept_truncated_cents {
            order.totals().truncated().map(|totals| order.message_with(order.identity(), totals)).collect()
        } else {
            Vec::new()
        };
        for refresh in [Refresh::No, Refresh::Mismatch] {
            let live = self.secrets.shared_ids(shared_ids, refresh).await?;
            if let Some(shared_id) = live.iter().find(|shared_id| shared_id.verify_request(&exact, digest)) {
                return Ok(shared_id.clone());
            }
            let cut = |shared_id: &&SharedId| truncated.iter().any(|message| shared_id.verify_request(message, digest));
            if let Some(shared_id) = live.iter().find(cut) {
                // docs/contract.md#u8
                tracing::warn!("a digest over cents that were cut off from binary doubles is accepted");
                return Ok(shared_id.clone());
            }
        }
        Err(DigestError::Mismatch)
    }

    /// The SharedId to sign with first, if a Client Secret made the digest of the path and the body.
    async fn verify_all(
        &self,
        client: &Client,
        shared_ids: &str,
        request: RawRequest<'_>,
        digest: &str,
    ) -> Result<SharedId, DigestError> {
        for refresh in [Refresh::No, Refresh::Mismatch] {
            let live = self.secrets.client_secrets(&client.secret, refresh).await?;
            if live.iter().any(|secret| secret.verify_digest([request.path.as_bytes(), request.body], digest)) {
                let shared_ids = self.secrets.shared_ids(shared_ids, Refresh::No).await?;
                return shared_ids.first().cloned().ok_or(DigestError::Mismatch);
            }
        }
        Err(DigestError::Mismatch)
    }
}
