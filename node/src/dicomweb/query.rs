//! The query of a request: names and values, percent-decoded, within bounds. No I/O.

use percent_encoding::percent_decode_str;

/// Parameters of one query: every attribute of a level, and some fields to include.
const PARAMETERS: usize = 256;

/// What is wrong with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// More than [`PARAMETERS`].
    TooMany,
    /// A name or value that is no UTF-8 when it is decoded.
    NotUtf8,
}

/// The parameters of a query, in their order. May hold patient data: no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query as it stands in a request, without its question mark.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn parse(text: &str) -> Result<Query, QueryError> {
        let mut parameters = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            if parameters.len() == PARAMETERS {
                return Err(QueryError::TooMany);
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decoded(name)?;
            let value = match name.as_str() {
                // Media types have plus signs in them, and clients do not always encode these.
                "accept" => percent_decoded(value)?,
                _ => decoded(value)?,
            };
            parameters.push((name, value));
        }
        Ok(Query(parameters))
    }

    /// All parameters.
    pub fn parameters(&self) -> &[(String, String)] {
        &self.0
    }

    /// The first value of a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let known = self.0.iter().find(|(known, _)| known == name);
        known.map(|(_, value)| value.as_str())
    }
}

/// Decodes what browsers and clients encode: `%XX`, and a plus sign for a space (HTML forms).
fn decoded(text: &str) -> Result<String, QueryError> {
    percent_decoded(&text.replace('+', " "))
}

fn percent_decoded(text: &str) -> Result<String, QueryError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| QueryError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let query = Query::parse(
            "limit=101&includefield=00081030%2C00080060&PatientName=%E5%B1%B1%2a&a+b=c%20d&&flag",
        )
        .ok()
        .unwrap();
        assert_eq!(query.value("limit"), Some("101"));
        assert_eq!(query.value("includefield"), Some("00081030,00080060"));
        assert_eq!(query.value("PatientName"), Some("山*"));
        assert_eq!(query.value("a b"), Some("c d"));
        assert_eq!(query.value("flag"), Some(""));
        assert_eq!(query.value("other"), None);
        assert_eq!(query.parameters().len(), 5);
    }

    #[test]
    fn a_plus_sign_stays_in_a_media_type() {
        let query = Query::parse("accept=application/dicom+json&q=a+b")
            .ok()
            .unwrap();
        assert_eq!(query.value("accept"), Some("application/dicom+json"));
        assert_eq!(query.value("q"), Some("a b"));
    }

    #[test]
    fn what_is_no_text_or_too_much_is_refused() {
        assert!(Query::parse("a=%93%fa") == Err(QueryError::NotUtf8));
        let many = vec!["a=b"; PARAMETERS].join("&");
        assert!(Query::parse(&many).is_ok());
        assert!(Query::parse(&(many + "&a")) == Err(QueryError::TooMany));
    }
}
