//! Servers differ: cores, modules, and what an operator has switched on.

use std::str::FromStr;

use jiff::tz::TimeZone;

/// The core versions whose differences can be seen through the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Core {
    /// 1.8.175: names and notes keep their tags and line breaks, attachments are renamed by an older rule, line items
    /// do not arm mails.
    V1_8_175,
    /// 1.8.235, which the recorded cases come from.
    V1_8_235,
}

/// What kind of server a sandbox is. The default is core 1.8.235 with module 1.0.87 and every optional module on, as
/// recorded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Profile {
    /// The core's version.
    pub core: Core,
    /// The Custom Fields module is on.
    pub has_custom_fields: bool,
    /// The Tags module is on.
    pub has_tags: bool,
    /// The Time Tracking module is on.
    pub has_time_tracking: bool,
    /// The CRM module, which brings customer fields, is on.
    pub has_crm: bool,
    /// `number` is its own count and not the id; parallel creates can get the same one.
    pub has_custom_numbers: bool,
    /// The server's own zone, in which dates without one are read.
    pub zone: TimeZone,
    /// Customers are looked up by phone when a conversation is created (module 1.0.75).
    pub finds_by_phone: bool,
    /// `DELETE /users/{id}` exists (between 1.0.67 and 1.0.81).
    pub deletes_users: bool,
    /// `createdByUserId` and `createdByCustomerId` filter (between 1.0.67 and 1.0.81).
    pub filters_creator: bool,
    /// `status` takes a list (between 1.0.72 and 1.0.81).
    pub lists_statuses: bool,
    /// `subject` is looked for anywhere in the subject (between 1.0.82 and 1.0.87).
    pub finds_in_subject: bool,
    /// The date of a reply counts as its date in `customerWaitingSince` (module 1.0.84); before, it is now.
    pub replies_keep_dates: bool,
    /// A message that closes sets `closedAt` and `closedBy` (module 1.0.87).
    pub closes_on_reply: bool,
    /// Only conversations and folders honour `pageSize` (module 1.0.67).
    pub pages_are_fixed: bool,
    /// `imported` is honoured. No server was seen that does not; a proxy or module that loses it would mail customers, and
    /// an import has to notice.
    pub takes_imports: bool,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            core: Core::V1_8_235,
            has_custom_fields: true,
            has_tags: true,
            has_time_tracking: true,
            has_crm: true,
            has_custom_numbers: false,
            zone: TimeZone::UTC,
            finds_by_phone: true,
            deletes_users: true,
            filters_creator: true,
            lists_statuses: true,
            finds_in_subject: true,
            replies_keep_dates: true,
            closes_on_reply: true,
            pages_are_fixed: false,
            takes_imports: true,
        }
    }
}

/// No profile has this name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no profile is called `{found}`: there are {}, and several can be joined with `+`", NAMES.join(", "))]
pub struct ProfileError {
    /// The name.
    pub found: String,
}

const NAMES: [&str; 8] = [
    "default",
    "modules-off",
    "module-1.0.67",
    "module-1.0.82",
    "custom-numbers",
    "core-1.8.175",
    "ignores-imported",
    "zone:NAME",
];

/// Reads names such as `module-1.0.82+core-1.8.175` or `zone:Europe/Berlin`.
impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(names: &str) -> Result<Profile, ProfileError> {
        let mut profile = Profile::default();
        for name in names.split('+') {
            let unknown = || ProfileError { found: name.to_owned() };
            match name.trim() {
                "default" => {}
                "modules-off" => {
                    profile.has_custom_fields = false;
                    profile.has_tags = false;
                    profile.has_time_tracking = false;
                    profile.has_crm = false;
                }
                "module-1.0.67" => {
                    profile.finds_by_phone = false;
                    profile.deletes_users = false;
                    profile.filters_creator = false;
                    profile.lists_statuses = false;
                    profile.finds_in_subject = false;
                    profile.replies_keep_dates = false;
                    profile.closes_on_reply = false;
                    profile.pages_are_fixed = true;
                }
                "module-1.0.82" => {
                    profile.finds_in_subject = false;
                    profile.replies_keep_dates = false;
                    profile.closes_on_reply = false;
                }
                "custom-numbers" => profile.has_custom_numbers = true,
                "ignores-imported" => profile.takes_imports = false,
                "core-1.8.175" => profile.core = Core::V1_8_175,
                other => {
                    let zone = other.strip_prefix("zone:").ok_or_else(unknown)?;
                    profile.zone = TimeZone::get(zone).map_err(|_| unknown())?;
                }
            }
        }
        Ok(profile)
    }
}
