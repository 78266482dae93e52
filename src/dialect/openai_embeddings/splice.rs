//! Encoding a request for a provider of the same dialect: what changes is spliced into the bytes that
//! came.

use super::request::{Request, edit_losses};
use crate::dialect::edits::{Change, Edits, Encoded, Loss, LossKind, Param, ParamValue};
use crate::dialect::json;
use crate::dialect::object::Splice;
use crate::dialect::quirks::Quirks;

impl Request {
    /// The body with the edits made, for a provider with these quirks. What is not edited stays
    /// byte for byte as it came; without any change the result *is* the body that came.
    pub fn encode(&self, edits: &Edits, quirks: &Quirks) -> Encoded {
        let mut splice = Splice::new(&self.object);
        let mut losses = edit_losses(edits);
        let mut loss = |param: &'static str, how, note: &str| {
            losses.push(Loss { param: param.into(), how, note: note.to_owned() });
        };
        if let Some(model) = edits.model.as_deref().filter(|model| *model != self.shape().model) {
            splice.set("model", json::quote(model));
        }
        for (_, change) in edits.params.iter().filter(|(param, _)| *param == Param::User) {
            match change {
                Change::Replace(ParamValue::Text(user)) => splice.set("user", json::quote(user)),
                Change::Remove => splice.remove("user"),
                _ => {}
            }
        }
        if quirks.unsupported.contains(&Param::User) {
            if splice.given("user") {
                loss("user", LossKind::Dropped, "not supported there");
            }
            splice.remove("user");
        }
        if quirks.output_dimension
            && let Some(index) = splice.index("dimensions")
        {
            match splice.given("dimensions") && !splice.given("output_dimension") {
                true => {
                    splice.remove("output_dimension");
                    splice.rename(index, "output_dimension");
                    let note = "`dimensions` is sent as `output_dimension`";
                    loss("dimensions", LossKind::Renamed, note);
                }
                false => splice.remove("dimensions"),
            }
        }
        // Numbers are what comes unasked.
        if quirks.no_float_format && splice.value("encoding_format") == Some(r#""float""#) {
            splice.remove("encoding_format");
        }
        Encoded { body: splice.body(), losses }
    }
}
