use std::io::Write as _;

use secrecy::ExposeSecret;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn find(settings: &Settings, env: &[(&str, &str)]) -> Result<Account, String> {
    let env: HashMap<String, String> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Account::find(settings, &|name| env.get(name).cloned())
}

fn shown(account: &Account) -> String {
    let keys = account.keys.as_ref().map(|keys| {
        let token = keys.token.as_ref().map_or("-", |token| token.expose_secret());
        format!("{} {} {token}", keys.id, keys.secret.expose_secret())
    });
    let region = account.region.as_deref().unwrap_or("-");
    format!("{} {region}", keys.as_deref().unwrap_or("-"))
}

const CREDENTIALS: &str = "# by hand\n[default]\naws_access_key_id = D\naws_secret_access_key=ds\n\
    [work]\nAWS_ACCESS_KEY_ID = W\naws_secret_access_key = w=s\naws_session_token = wt\nregion = x\n";
const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile work]\nregion = us-west-2\ns3 =\n  \
    region = no\n[profile sso]\nsso_session = s\nregion=r\n";

#[test]
fn keys_come_from_where_aws_has_them() {
    let (credentials, config) = (file(CREDENTIALS), file(CONFIG));
    let files = [
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.path().to_str().unwrap()),
        ("AWS_CONFIG_FILE", config.path().to_str().unwrap()),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&files, more].concat();
    let none = Settings::default();
    let work = Settings { profile: Some("work".into()), ..Settings::default() };
    let keys = [
        ("AWS_ACCESS_KEY_ID", "E"),
        ("AWS_SECRET_ACCESS_KEY", "es"),
        ("AWS_SESSION_TOKEN", "et"),
        ("AWS_REGION", "sa-east-1"),
    ];
    let own = Settings {
        access_key_id: Some("S".into()),
        secret_access_key: Some("ss".into()),
        region: Some("here".into()),
        ..Settings::default()
    };
    for (settings, env, expected) in [
        (&none, with(&[]), "D ds - eu-west-1"),
        (&none, with(&[("AWS_PROFILE", "work")]), "W w=s wt x"),
        (&work, with(&keys), "W w=s wt sa-east-1"),
        (&none, with(&keys), "E es et sa-east-1"),
        (&own, with(&keys), "S ss - here"),
        (&none, vec![], "- -"),
    ] {
        assert_eq!(shown(&find(settings, &env).unwrap()), expected);
    }
}

#[test]
fn what_is_missing_is_said() {
    let config = file(CONFIG);
    let env = [("AWS_CONFIG_FILE", config.path().to_str().unwrap())];
    let fail = |settings: Settings| find(&settings, &env).err().unwrap();
    let profile = |name: &str| Settings { profile: Some(name.into()), ..Settings::default() };
    insta::assert_snapshot!(fail(profile("none")), @"there is no AWS profile `none` with keys");
    insta::assert_snapshot!(fail(profile("sso")), @"the AWS profile `sso` has its keys from elsewhere (`sso_session`), which is not supported: write them with `aws configure export-credentials --profile sso`");
    let half = Settings { access_key_id: Some("S".into()), ..Settings::default() };
    insta::assert_snapshot!(fail(half), @"`access_key_id` without `secret_access_key`");
}
