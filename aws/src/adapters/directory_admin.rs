//! The directory table as an operator needs it: read as it is now, and written so that nothing is overwritten unseen.

use aws_sdk_dynamodb::{
    Client as Dynamo,
    error::SdkError,
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnValue},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    directory::{CLIENTS, ORGANIZATIONS, list, location_pk, read, row},
    unavailable,
};
use posnext_shared::{
    app::ports::PortError,
    domain::{
        directory::{Client, Location, Organization},
        ids::{ParId, Tenant},
    },
};

const NEW: &str = "attribute_not_exists(pk)";
const THERE: &str = "attribute_exists(pk)";

/// The directory table, without a cache.
#[derive(Debug)]
pub struct DirectoryAdmin {
    dynamo: Dynamo,
    table: String,
}

impl DirectoryAdmin {
    /// The table of this name.
    #[must_use]
    pub const fn new(dynamo: Dynamo, table: String) -> Self {
        Self { dynamo, table }
    }

    /// All clients.
    ///
    /// # Errors
    /// [`PortError`] when they cannot be told.
    pub async fn clients(&self) -> Result<Vec<Client>, PortError> {
        self.list(CLIENTS.to_owned()).await
    }

    /// All organizations.
    ///
    /// # Errors
    /// [`PortError`] when they cannot be told.
    pub async fn organizations(&self) -> Result<Vec<Organization>, PortError> {
        self.list(ORGANIZATIONS.to_owned()).await
    }

    /// All locations of an organization.
    ///
    /// # Errors
    /// [`PortError`] when they cannot be told.
    pub async fn locations(&self, organization: &ParId) -> Result<Vec<Location>, PortError> {
        self.list(location_pk(organization)).await
    }

    /// An organization.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be told.
    pub async fn organization(&self, id: &ParId) -> Result<Option<Organization>, PortError> {
        self.get(ORGANIZATIONS.to_owned(), id.as_str()).await
    }

    /// A location.
    ///
    /// # Errors
    /// [`PortError`] when it cannot be told.
    pub async fn location(&self, organization: &ParId, id: &ParId) -> Result<Option<Location>, PortError> {
        self.get(location_pk(organization), id.as_str()).await
    }

    /// Writes a client that is not there yet; `false` if it is.
    ///
    /// # Errors
    /// [`PortError`] when it is not known to be written.
    pub async fn create_client(&self, client: &Client) -> Result<bool, PortError> {
        self.put(CLIENTS.to_owned(), &client.client_id, client, Some(NEW)).await
    }

    /// Writes an organization that is not there yet; `false` if it is.
    ///
    /// # Errors
    /// [`PortError`] when it is not known to be written.
    pub async fn create_organization(&self, organization: &Organization) -> Result<bool, PortError> {
        self.put(ORGANIZATIONS.to_owned(), organization.organization_id.as_str(), organization, Some(NEW)).await
    }

    /// Writes a location that is not there yet; `false` if it is.
    ///
    /// # Errors
    /// [`PortError`] when it is not known to be written.
    pub async fn create_location(&self, location: &Location) -> Result<bool, PortError> {
        self.put(location_pk(&location.organization_id), location.location_id.as_str(), location, Some(NEW)).await
    }

    /// Replaces a location; `false` if somebody has switched it, or removed it, since it was read as `known`.
    ///
    /// # Errors
    /// [`PortError`] when it is not known to be written.
    pub async fn replace_location(&self, known: &Location, location: &Location) -> Result<bool, PortError> {
        let (pk, sk) = (location_pk(&location.organization_id), location.location_id.as_str());
        let put = self.dynamo.put_item().table_name(&self.table).set_item(Some(row(pk, sk, location)?));
        let put = put.condition_expression("enabled = :known");
        let put = put.expression_attribute_values(":known", AttributeValue::Bool(known.enabled));
        done(put.send().await, put_failed)
    }

    /// Lets a client speak for one more organization of its tenant; `false` if it does already, is of another tenant, or is gone.
    ///
    /// # Errors
    /// [`PortError`] when it is not known to be written.
    pub async fn allow(&self, client_id: &str, organization: &ParId, tenant: &Tenant) -> Result<bool, PortError> {
        let tenant = AttributeValue::S(tenant.to_string());
        let organization = AttributeValue::S(organization.to_string());
        let update = self.update(CLIENTS.to_owned(), client_id);
        let update = update.update_expression("SET organizations = list_append(organizations, :one)");
        let update = update.condition_expression("tenant = :tenant AND NOT contains(organizations, :id)");
        let update = update.expression_attribute_values(":tenant", tenant);
        let update = update.expression_attribute_values(":one", AttributeValue::L(vec![organization.clone()]));
        let failed = |error: &SdkError<UpdateItemError>| {
            error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
        };
        done(update.expression_attribute_values(":id", organization).send().await, failed)
    }

    /// Switches a location on or off and leaves everything else as it is. Whether it was on; nothing if there is no such location.
    ///
    /// # Errors
    /// [`PortError`] when it is not known to be written.
    pub async fn switch_location(&self, organization: &ParId, id: &ParId, enabled: bool) -> Result<Option<bool>, PortError> {
        let update = self.update(location_pk(organization), id.as_str()).update_expression("SET enabled = :enabled");
        let update = update.condition_expression(THERE).return_values(ReturnValue::AllOld);
        match update.expression_attribute_values(":enabled", AttributeValue::Bool(enabled)).send().await {
            Ok(written) => {
                let before = written.attributes.and_then(|row| row.get("enabled")?.as_bool().ok().copied());
                Ok(Some(before.unwrap_or(!enabled)))
            }
            Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
                Ok(None)
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    fn update(&self, pk: String, sk: &str) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        let update = self.dynamo.update_item().table_name(&self.table);
        update.key("pk", AttributeValue::S(pk)).key("sk", AttributeValue::S(sk.to_owned()))
    }

    async fn put<T: Serialize>(&self, pk: String, sk: &str, value: &T, condition: Option<&str>) -> Result<bool, PortError> {
        let put = self.dynamo.put_item().table_name(&self.table).set_item(Some(row(pk, sk, value)?));
        done(put.set_condition_expression(condition.map(str::to_owned)).send().await, put_failed)
    }

    async fn get<T: DeserializeOwned>(&self, pk: String, sk: &str) -> Result<Option<T>, PortError> {
        let get = self.dynamo.get_item().table_name(&self.table).consistent_read(true);
        let get = get.key("pk", AttributeValue::S(pk)).key("sk", AttributeValue::S(sk.to_owned()));
        get.send().await.map_err(|error| unavailable(&error))?.item.map(read).transpose()
    }

    async fn list<T: DeserializeOwned>(&self, pk: String) -> Result<Vec<T>, PortError> {
        list(self.dynamo.query().table_name(&self.table).consistent_read(true), pk).await
    }
}

fn put_failed(error: &SdkError<PutItemError>) -> bool {
    error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception)
}

/// Whether a conditional write was done.
fn done<T, E: std::error::Error + 'static>(
    written: Result<T, SdkError<E>>,
    failed: impl FnOnce(&SdkError<E>) -> bool,
) -> Result<bool, PortError> {
    match written {
        Ok(_) => Ok(true),
        Err(error) if failed(&error) => Ok(false),
        Err(error) => Err(unavailable(&error)),
    }
}
