//! How large DynamoDB says an item is (AWS: "DynamoDB item sizes and formats"); a write costs a unit for every KiB begun.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// Beside a list or a map, and beside each of its elements.
const CONTAINER: u64 = 3;
const ELEMENT: u64 = 1;

/// Names and values, in bytes.
pub(crate) fn size(item: &HashMap<String, AttributeValue>) -> u64 {
    item.iter().map(|(name, value)| name.len() as u64 + of_value(value)).sum()
}

fn of_value(value: &AttributeValue) -> u64 {
    match value {
        AttributeValue::S(text) => text.len() as u64,
        AttributeValue::N(digits) => of_number(digits),
        AttributeValue::B(bytes) => bytes.as_ref().len() as u64,
        AttributeValue::Ss(texts) => texts.iter().map(|text| text.len() as u64).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|digits| of_number(digits)).sum(),
        AttributeValue::Bs(many) => many.iter().map(|bytes| bytes.as_ref().len() as u64).sum(),
        AttributeValue::L(values) => CONTAINER + values.iter().map(|value| ELEMENT + of_value(value)).sum::<u64>(),
        AttributeValue::M(item) => CONTAINER + item.len() as u64 * ELEMENT + size(item),
        // Bool and null; what the SDK does not know is in no row of ours.
        _ => 1,
    }
}

/// A byte for two significant digits, one for the exponent, one for a minus.
fn of_number(digits: &str) -> u64 {
    let negative = u64::from(digits.starts_with('-'));
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_matches('0').len() as u64;
    significant.div_ceil(2) + 1 + negative
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;

    use super::*;

    #[test]
    fn an_item_is_its_names_and_its_values() {
        let text = AttributeValue::S("é".to_owned());
        assert_eq!(size(&HashMap::from([("pk".to_owned(), text.clone())])), 4);
        assert_eq!(of_value(&AttributeValue::B(Blob::new([0; 7]))), 7);
        assert_eq!(of_value(&AttributeValue::Bool(true)), 1);
        assert_eq!(of_value(&AttributeValue::L(vec![text.clone(), text.clone()])), 3 + 2 * 3);
        assert_eq!(of_value(&AttributeValue::M(HashMap::from([("ab".to_owned(), text)]))), 3 + 1 + 4);
    }

    #[test]
    fn a_number_costs_its_significant_digits() {
        for (number, bytes) in [("0", 1), ("1", 2), ("-12", 3), ("123", 3), ("1000000", 2), ("0.0012", 2), ("1742049045123", 8)] {
            assert_eq!(of_number(number), bytes, "{number}");
        }
    }
}
