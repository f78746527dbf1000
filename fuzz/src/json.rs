//! A JSON reader (RFC 8259) to hold the product's against. Strict; it also finds what the product refuses beyond the grammar.

use super::number::Number;

/// What the product promises to refuse deeper than this.
pub const DEPTH: usize = 64;

/// A value and the text it came as.
#[derive(Debug)]
pub struct Json<'a> {
    /// The text.
    pub raw: &'a str,
    /// What it says.
    pub value: Value<'a>,
}

/// What a value says.
#[derive(Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text; `None` when it holds half a surrogate pair and so is none.
    Text(Option<String>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, members in their order.
    Object(Vec<(String, Json<'a>)>),
    /// An array or object nested too deep. What is in it is not read.
    Deep,
}

/// What is wrong with a text that keeps to the grammar.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// An array or object is nested too deep.
    pub too_deep: bool,
    /// An object names a key twice.
    pub repeated_key: bool,
    /// Half a surrogate pair, or an exponent out of range.
    pub unreadable: bool,
}

/// Reads a text; `None` when it is against the grammar.
#[must_use]
pub fn read(text: &str) -> Option<(Json<'_>, Faults)> {
    let mut reader = Reader { text, at: 0, faults: Faults::default() };
    let json = reader.value(1)?;
    reader.space();
    (reader.at == text.len()).then_some((json, reader.faults))
}

impl<'a> Json<'a> {
    /// The members of an object, none of another value.
    #[must_use]
    pub fn members(&self) -> &[(String, Json<'a>)] {
        if let Value::Object(members) = &self.value { members } else { &[] }
    }

    /// The member `key`, unless it is absent or null.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        let found = self.members().iter().find(|(name, _)| name == key).map(|(_, json)| json)?;
        (!matches!(found.value, Value::Null)).then_some(found)
    }

    /// Whether the object names this key more than once.
    #[must_use]
    pub fn repeats(&self, key: &str) -> bool {
        self.members().iter().filter(|(name, _)| name == key).count() > 1
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { text.as_deref() } else { None }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<&Number> {
        if let Value::Number(number) = &self.value { Some(number) } else { None }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    faults: Faults,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        self.space();
        let start = self.at;
        let value = match self.peek()? {
            b'{' | b'[' if depth > DEPTH => self.deep()?,
            b'{' => self.object(depth)?,
            b'[' => self.array(depth)?,
            b'"' => Value::Text(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            _ => {
                let words = [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
                let (word, value) = words.into_iter().find(|(word, _)| self.text[self.at..].starts_with(word))?;
                self.at += word.len();
                value
            }
        };
        Some(Json { raw: &self.text[start..self.at], value })
    }

    /// Only this leaves the reading to `serde_json`, which does it without recursion.
    fn deep(&mut self) -> Option<Value<'a>> {
        self.faults.too_deep = true;
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<&serde_json::value::RawValue>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(Value::Deep)
    }

    fn object(&mut self, depth: usize) -> Option<Value<'a>> {
        let mut members: Vec<(String, Json<'a>)> = Vec::new();
        let mut keys = std::collections::HashSet::new();
        self.take(b'{')?;
        self.space();
        if self.take(b'}').is_some() {
            return Some(Value::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.take(b':')?;
            let value = self.value(depth + 1)?;
            let key = key.unwrap_or_default();
            self.faults.repeated_key |= !keys.insert(key.clone());
            members.push((key, value));
            self.space();
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(Value::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value<'a>> {
        let mut items = Vec::new();
        self.take(b'[')?;
        self.space();
        if self.take(b']').is_some() {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b',').is_none() {
                self.take(b']')?;
                return Some(Value::Array(items));
            }
        }
    }

    /// A string; the inner `None` for half a surrogate pair.
    fn string(&mut self) -> Option<Option<String>> {
        self.take(b'"')?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let c = self.text[self.at..].chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..='\u{1f}' => return None,
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
        let text = String::from_utf16(&units).ok();
        self.faults.unreadable |= text.is_none();
        Some(text)
    }

    fn escape(&mut self) -> Option<u16> {
        let c = self.peek()?;
        self.at += 1;
        Some(match c {
            b'"' | b'\\' | b'/' => c.into(),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
                self.at += 4;
                u16::from_str_radix(digits, 16).ok()?
            }
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        let number = Number::read(&self.text[start..self.at]);
        self.faults.unreadable |= number.exponent.is_none();
        Some(Value::Number(number))
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}
