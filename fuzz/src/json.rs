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
    /// A text.
    Text(Text<'a>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, members in their order.
    Object(Vec<(Text<'a>, Json<'a>)>),
    /// An array or object nested too deep. What is in it is not read.
    Deep,
}

/// What a string says, in UTF-16: that may hold half a surrogate pair.
#[derive(Debug, Clone)]
pub struct Text<'a> {
    /// The string as it came, in quotes.
    pub raw: &'a str,
    /// What it says.
    pub units: Vec<u16>,
    /// Halves are replaced.
    lossy: String,
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.units == other.units
    }
}

impl Text<'_> {
    /// What it says, to be compared with names that hold no half.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.lossy
    }

    /// The text, if it is one.
    #[must_use]
    pub fn whole(&self) -> Option<&str> {
        String::from_utf16(&self.units).is_ok().then_some(&self.lossy)
    }
}

/// What is odd about a text that keeps to the grammar.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// An array or object is nested too deep.
    pub too_deep: bool,
    /// An object names a key twice.
    pub repeated_key: bool,
    /// An exponent is out of range.
    pub unreadable: bool,
    /// A string holds half a surrogate pair.
    pub half: bool,
}

impl Faults {
    /// Whether the product refuses it.
    #[must_use]
    pub fn refuse(self) -> bool {
        self.too_deep || self.repeated_key || self.unreadable
    }
}

/// A text without a byte order mark.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
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
    pub fn members(&self) -> &[(Text<'a>, Json<'a>)] {
        if let Value::Object(members) = &self.value { members } else { &[] }
    }

    /// The member `key`, unless it is absent or null.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        let found = self.members().iter().find(|(name, _)| name.whole() == Some(key)).map(|(_, json)| json)?;
        (!matches!(found.value, Value::Null)).then_some(found)
    }

    /// All members of this name.
    pub fn values<'j>(&'j self, key: &'j str) -> impl Iterator<Item = &'j Json<'a>> {
        self.members().iter().filter(move |(name, _)| name.whole() == Some(key)).map(|(_, json)| json)
    }

    /// Whether the object names this key more than once.
    #[must_use]
    pub fn repeats(&self, key: &str) -> bool {
        self.values(key).count() > 1
    }

    /// Whether the object names any key more than once.
    #[must_use]
    pub fn repeats_any(&self) -> bool {
        let members = self.members();
        members.iter().enumerate().any(|(at, (key, _))| members[..at].iter().any(|(earlier, _)| earlier == key))
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { text.whole() } else { None }
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
        let mut members: Vec<(Text<'a>, Json<'a>)> = Vec::new();
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
            self.faults.repeated_key |= !keys.insert(key.units.clone());
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

    fn string(&mut self) -> Option<Text<'a>> {
        let start = self.at;
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
        let text = Text { raw: &self.text[start..self.at], lossy: String::from_utf16_lossy(&units), units };
        self.faults.half |= text.whole().is_none();
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
