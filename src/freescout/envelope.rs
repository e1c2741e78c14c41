//! The shape that all lists come in, read in one pass: rows go straight into whatever they are wanted as.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::wire::PageInfo;

/// One page of a list.
pub(super) struct Envelope<T> {
    /// Its rows; none where there is no list of that name, which is some other page.
    pub rows: Option<Vec<T>>,
    /// Its place among the pages; zeros where it does not say.
    pub page: PageInfo,
}

impl<T: DeserializeOwned> Envelope<T> {
    /// Reads the list `_embedded.{key}`. PHP writes a list with holes as an object, and an empty object as a list: a list is
    /// taken in both forms, and anything else under its name is an empty one.
    pub fn read(body: &[u8], key: &'static str) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let found = Outer { key, of: PhantomData }.deserialize(&mut json)?;
        json.end()?;
        Ok(found)
    }
}

struct Outer<T> {
    key: &'static str,
    of: PhantomData<T>,
}

struct Inner<T> {
    key: &'static str,
    of: PhantomData<T>,
}

struct Items<T>(PhantomData<T>);

macro_rules! pass_over {
    ($($visit:ident: $kind:ty),*; $none:expr) => {
        $(fn $visit<E: Error>(self, _: $kind) -> Result<Self::Value, E> {
            Ok($none)
        })*

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($none)
        }
    };
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Outer<T> {
    type Value = Envelope<T>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Envelope<T>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Outer<T> {
    type Value = Envelope<T>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a page of a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<T>, A::Error> {
        let mut found = Envelope { rows: None, page: PageInfo::default() };
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            match &*name {
                "_embedded" => found.rows = map.next_value_seed(Inner { key: self.key, of: PhantomData })?,
                "page" => found.page = serde_json::from_value(map.next_value::<Value>()?).unwrap_or_default(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Inner<T> {
    type Value = Option<Vec<T>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<Vec<T>>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Inner<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("lists by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Vec<T>>, A::Error> {
        let mut rows = None;
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            if name == self.key {
                rows = Some(map.next_value_seed(Items(PhantomData))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(rows)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<Vec<T>>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    pass_over!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str; None);
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Items<T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<T>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Items<T> {
    type Value = Vec<T>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = list.next_element()? {
            rows.push(row);
        }
        Ok(rows)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
        let mut rows = Vec::new();
        while let Some((_, row)) = map.next_entry::<IgnoredAny, T>()? {
            rows.push(row);
        }
        Ok(rows)
    }

    pass_over!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str; Vec::new());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_in_every_form_and_anything_else_is_none() {
        for (body, expected) in [
            (r#"{"_embedded":{"tags":[1,2]},"page":{"totalElements":2}}"#, Some(vec![1, 2])),
            (r#"{"page":{},"_embedded":{"other":[9],"tags":{"0":1,"2":3}}}"#, Some(vec![1, 3])),
            (r#"{"_embedded":{"tags":[]}}"#, Some(vec![])),
            (r#"{"_embedded":{"tags":null}}"#, Some(vec![])),
            (r#"{"_embedded":{"tags":""}}"#, Some(vec![])),
            (r#"{"_embedded":{"others":[1]}}"#, None),
            (r#"{"_embedded":[]}"#, None),
            (r#"{"_embedded":[1]}"#, None),
            (r#"{"_embedded":null}"#, None),
            (r#"{"message":"Not Found"}"#, None),
        ] {
            let found = Envelope::<Value>::read(body.as_bytes(), "tags").unwrap();
            let numbers = found.rows.map(|rows| rows.iter().filter_map(Value::as_u64).collect::<Vec<_>>());
            assert_eq!(numbers, expected, "{body}");
        }
        for body in ["", "1", "[]", "<html>", r#"{"_embedded":{"tags":[1}"#, r#"{"_embedded":{"tags":[1]}} x"#] {
            assert!(Envelope::<Value>::read(body.as_bytes(), "tags").is_err(), "{body}");
        }
    }

    #[test]
    fn a_page_says_where_it_stands_or_nothing() {
        let page = |text: &str| {
            let body = format!(r#"{{"_embedded":{{"tags":[]}},"page":{text}}}"#);
            Envelope::<Value>::read(body.as_bytes(), "tags").unwrap().page
        };
        assert_eq!(page(r#"{"size":50,"totalElements":7,"totalPages":1,"number":1}"#).total_elements, 7);
        assert_eq!(page("[]").total_elements, 0);
    }
}
