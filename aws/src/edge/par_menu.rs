//! How PAR gets to see a menu. Its schema is not public (docs/contract.md#u29): when it is, this file changes and no
//! other.

use serde::Serialize;
use serde_json::value::RawValue;

use posnext_shared::domain::{
    ids::ParId,
    menu::{Category, Modifier, ModifierGroup, Product, StoredMenu},
    money::Cents,
    sellable::Sellable,
};

/// What a location sells, with prices and availability as they are now.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Menu))]
pub(super) struct ParMenu<'a> {
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    organization_id: &'a ParId,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    location_id: &'a ParId,
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    generated_at: String,
    currency: &'a str,
    categories: Vec<ParCategory<'a>>,
    products: Vec<ParProduct<'a>>,
    modifier_groups: Vec<ParGroup<'a>>,
}

/// A heading of the menu.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Category))]
struct ParCategory<'a> {
    id: &'a str,
    name: &'a str,
    product_ids: &'a [String],
}

/// Something that can be ordered.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Product))]
struct ParProduct<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    description: Option<&'a str>,
    #[cfg_attr(feature = "openapi", schema(schema_with = super::openapi::price))]
    price: Box<RawValue>,
    available: bool,
    modifier_group_ids: &'a [String],
}

/// Modifiers to choose from; how many must and may be chosen, counted with their quantities.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ModifierGroup))]
struct ParGroup<'a> {
    id: &'a str,
    name: &'a str,
    min: u32,
    max: u32,
    modifiers: Vec<ParModifier<'a>>,
}

/// One of the things to choose. Its price is added to what it modifies, and may be negative.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Modifier))]
struct ParModifier<'a> {
    id: &'a str,
    name: &'a str,
    #[cfg_attr(feature = "openapi", schema(schema_with = super::openapi::price))]
    price: Box<RawValue>,
    available: bool,
    modifier_group_ids: &'a [String],
}

/// The body of a menu's answer; the same for the same menu and availability.
pub(super) fn par_menu(organization_id: &ParId, location_id: &ParId, stored: &StoredMenu) -> serde_json::Result<String> {
    let (content, sellable) = (stored.menu.content(), Sellable::of(&stored.menu, &stored.sold_out));
    serde_json::to_string(&ParMenu {
        organization_id,
        location_id,
        generated_at: stored.put_at.rfc3339(),
        currency: &content.currency,
        categories: content.categories.iter().map(par_category).collect(),
        products: content.products.iter().map(|product| par_product(product, &sellable)).collect::<Result<_, _>>()?,
        modifier_groups: content.modifier_groups.iter().map(|group| par_group(group, &sellable)).collect::<Result<_, _>>()?,
    })
}

fn par_category(category: &Category) -> ParCategory<'_> {
    let Category { id, name, products } = category;
    ParCategory { id, name, product_ids: products }
}

fn par_product<'a>(product: &'a Product, sellable: &Sellable<'_>) -> serde_json::Result<ParProduct<'a>> {
    let Product { id, name, description, price, modifier_groups, .. } = product;
    Ok(ParProduct {
        id,
        name,
        description: description.as_deref(),
        price: decimal(*price)?,
        available: sellable.product(product),
        modifier_group_ids: modifier_groups,
    })
}

fn par_group<'a>(group: &'a ModifierGroup, sellable: &Sellable<'_>) -> serde_json::Result<ParGroup<'a>> {
    let ModifierGroup { id, name, min, max, modifiers } = group;
    let modifiers = modifiers.iter().map(|modifier| par_modifier(modifier, sellable)).collect::<Result<_, _>>()?;
    Ok(ParGroup { id, name, min: *min, max: *max, modifiers })
}

fn par_modifier<'a>(modifier: &'a Modifier, sellable: &Sellable<'_>) -> serde_json::Result<ParModifier<'a>> {
    let Modifier { id, name, price, modifier_groups, .. } = modifier;
    Ok(ParModifier {
        id,
        name,
        price: decimal(*price)?,
        available: sellable.modifier(modifier),
        modifier_group_ids: modifier_groups,
    })
}

/// A decimal of two places, as amounts are in orders (docs/contract.md#c9).
fn decimal(price: Cents) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(price.to_json_number())
}
