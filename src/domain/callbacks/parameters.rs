//! A callback's parameters as they came, and the text over which its signature is made.

/// The parameter that is not signed.
const SIGN: &str = "Sign";

/// Names and values as they came, each name once. No `Debug`: a value may hold anything.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes them in byte order of their names. `None`: a name stands there twice, and nobody knows which one was meant.
    #[must_use]
    pub fn new(mut pairs: Vec<(String, String)>) -> Option<Self> {
        pairs.sort_unstable();
        let is_twice = pairs.windows(2).any(|pair| pair[0].0 == pair[1].0);
        (!is_twice).then_some(Self(pairs))
    }

    /// The value of a name; empty if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The signature that came with them.
    #[must_use]
    pub fn sign(&self) -> &str {
        self.get(SIGN)
    }

    /// What is signed: all but the signature whose value is not blank, by name.
    pub fn signed(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter().filter(|(name, value)| name != SIGN && !value.trim().is_empty());
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text that is hashed: names and values in a row, the secret in front and behind, in lower case.
    #[must_use]
    pub fn signing_text(&self, secret: &str) -> String {
        let pairs: String = self.signed().flat_map(|(name, value)| [name, value]).collect();
        format!("{secret}{pairs}{secret}").to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    fn parameters(pairs: &[(&str, &str)]) -> Option<Parameters> {
        Parameters::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_signed_is_sorted_by_bytes_and_leaves_out_what_is_blank() {
        let pairs = [("b", "2"), ("Sign", "x"), ("A", "1"), ("Ab", " "), ("a", "3"), ("Z", ""), ("B", " 4")];
        assert_eq!(parameters(&pairs).unwrap().signing_text("K"), "ka1b 4a3b2k");
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        assert!(parameters(&[("AppKey", "1"), ("Data", "2"), ("AppKey", "1")]).is_none());
        assert!(parameters(&[]).is_some_and(|none| none.get("AppKey").is_empty()));
    }
}
