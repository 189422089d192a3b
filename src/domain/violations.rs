//! What is wrong with a request: one entry per fault, so that a caller can mend all of them at once.

/// One fault of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field, as the API names it, e.g. `product_codes[3]`.
    pub field: String,
    /// What is wrong with which value, and what is allowed.
    pub description: String,
}

/// Gathers violations while a request is decoded.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes one fault.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation { field: field.into(), description: description.into() });
    }

    /// `value`, unless something was noted.
    ///
    /// # Errors
    /// All faults noted so far.
    pub fn into_result<T>(self, value: T) -> Result<T, Vec<Violation>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}
