use std::io::Write as _;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::client::{Client, ClientSettings, Extra};
use super::super::resolved::{Call, Provider, Settings};
use super::super::table;
use super::*;
use crate::dialect::Dialect;
use crate::ids::ProviderId;

/// An issuer of tokens at this address: `TOKEN1`, `TOKEN2` …, each alive for so many seconds; 0 refuses.
async fn issuer(lives: &'static [u64]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/token", listener.local_addr().unwrap());
    let (sent, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((mut socket, _)) = listener.accept().await {
            let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
            let complete = |request: &[u8]| {
                let text = String::from_utf8_lossy(request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                length.is_none_or(|length| body.len() >= length.parse().unwrap())
            };
            while !complete(&request) {
                match socket.read(&mut buffer).await {
                    Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            sent.send(String::from_utf8(request).unwrap()).unwrap();
            let life = lives.get(count).copied().unwrap_or(3600);
            count += 1;
            let (status, body) = match life {
                0 => ("400 X", r#"{"error":"invalid_grant","error_description":"expired"}"#.into()),
                _ => (
                    "200 OK",
                    format!(
                        r#"{{"access_token":"TOKEN{count}","expires_in":{life},"token_type":"Bearer"}}"#
                    ),
                ),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, seen)
}

fn file(json: &serde_json::Value) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(json.to_string().as_bytes()).unwrap();
    file
}

fn person(token_uri: &str) -> serde_json::Value {
    serde_json::json!({
        "type": "authorized_user", "client_id": "c", "client_secret": "s/s", "refresh_token": "r+r",
        "quota_project_id": "quota", "token_uri": token_uri,
    })
}

fn account(json: &serde_json::Value) -> Arc<Account> {
    Arc::new(Account::read(file(json).path()).unwrap())
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_service_account_signs_for_its_token() {
    let (address, mut seen) = issuer(&[]).await;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let account = account(&serde_json::json!({
        "type": "service_account", "project_id": "p", "client_email": "a@b", "private_key_id": "7",
        "private_key": pem, "token_uri": address, "universe_domain": "googleapis.com",
    }));
    assert_eq!(account.project.as_deref(), Some("p"));
    // Many at once are one call.
    let http = http();
    let (one, two) = tokio::join!(account.token(&http), account.token(&http));
    assert_eq!(one.unwrap(), "Bearer TOKEN1");
    let two = two.unwrap();
    assert!(two == "Bearer TOKEN1" && two.is_sensitive());
    let request = seen.recv().await.unwrap();
    assert!(seen.try_recv().is_err());
    assert!(request.starts_with("POST /token HTTP/1.1"), "{request}");
    let body = request.split_once("\r\n\r\n").unwrap().1;
    let start = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let jwt = body.strip_prefix(start).unwrap();
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
        .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .unwrap();
    let parts: Vec<serde_json::Value> = signed
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    assert_eq!(parts[0], serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": "7" }));
    let claims = &parts[1];
    assert_eq!((&claims["iss"], &claims["aud"]), (&"a@b".into(), &address.into()));
    assert_eq!(claims["scope"], SCOPE);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_nobody_waits() {
    // The first is old at once, though it holds for four minutes; the renewal fails; then it works.
    let (address, mut seen) = issuer(&[240, 0]).await;
    let account = account(&person(&address));
    let http = http();
    assert_eq!(account.token(&http).await.unwrap(), "Bearer TOKEN1");
    let body = seen.recv().await.unwrap();
    let body = body.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(
        body,
        "grant_type=refresh_token&client_id=c&client_secret=s%2Fs&refresh_token=r%2Br"
    );
    let old = |account: &Account| {
        let token = account.kept().unwrap();
        account.keep(Token { renew: SystemTime::now(), ..token });
    };
    old(&account);
    assert_eq!(account.token(&http).await.unwrap(), "Bearer TOKEN1");
    seen.recv().await.unwrap();
    drop(account.renewal.lock().await);
    // It was refused, so the old one goes on, and nobody asks again at once.
    assert_eq!(account.token(&http).await.unwrap(), "Bearer TOKEN1");
    assert!(seen.try_recv().is_err());
    old(&account);
    assert_eq!(account.token(&http).await.unwrap(), "Bearer TOKEN1");
    seen.recv().await.unwrap();
    drop(account.renewal.lock().await);
    assert_eq!(account.token(&http).await.unwrap(), "Bearer TOKEN3");
}

#[tokio::test]
async fn the_token_goes_to_the_provider_alone() {
    let (token_uri, mut asked) = issuer(&[]).await;
    // Anything that answers will do for the provider.
    let (base, mut called) = issuer(&[]).await;
    let credentials = file(&person(&token_uri));
    let settings = Settings {
        id: Some(ProviderId::new("vertex")),
        base_url: Some(base.trim_end_matches("/token").to_owned()),
        credentials_file: Some(credentials.path().to_owned()),
        ..Settings::default()
    };
    let entry = table::entry("vertex").unwrap();
    let provider = Provider::resolve(entry, settings, &|_| None).unwrap().unwrap();
    assert!(!format!("{provider:?}").contains("r+r"));
    let client = Client::new(&ClientSettings::default()).unwrap();
    let call = Call::Generate { dialect: Dialect::GeminiGenerate, model: "m", stream: false };
    let body = bytes::Bytes::from_static(b"{}");
    let extra = Extra { headers: &Default::default(), id: "r" };
    let answer = client.send(&provider, call, body, extra).await.unwrap();
    assert_eq!(answer.status, 200);
    let called = called.recv().await.unwrap().to_lowercase();
    assert!(called.starts_with("post /publishers/google/models/m:generatecontent "), "{called}");
    assert!(called.contains("authorization: bearer token1"), "{called}");
    assert!(called.contains("x-goog-user-project: quota"), "{called}");
    assert!(!called.contains("refresh_token"));
    assert!(asked.recv().await.unwrap().contains("refresh_token"));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let (address, _seen) = issuer(&[0]).await;
    let error = account(&person(&address)).token(&http()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth);
    insta::assert_snapshot!(error, @"no access token from Google: status 400 invalid_grant: expired");
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = account(&person(&format!("http://{unused}/"))).token(&http()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Connect);
    assert!(!error.what.contains("r%2Br"), "{error}");
}

#[test]
fn broken_files_are_explained_without_being_quoted() {
    let fail = |json: serde_json::Value| {
        let file = file(&json);
        let error = Account::read(file.path()).err().unwrap();
        error.replace(&file.path().display().to_string(), "FILE")
    };
    let mut far = person("http://evil.example/token");
    insta::assert_snapshot!(fail(far.clone()), @"the credentials FILE: `token_uri` must be https");
    far["token_uri"] = "http://127.0.0.1.evil.example".into();
    insta::assert_snapshot!(fail(far.clone()), @"the credentials FILE: `token_uri` must be https");
    far["token_uri"] = TOKEN_URI.into();
    far["type"] = "external_account".into();
    insta::assert_snapshot!(fail(far), @"the credentials FILE: of type `external_account`, where `service_account` or `authorized_user` is expected");
    let service = serde_json::json!({
        "type": "service_account", "client_email": "a", "private_key": "SECRET",
    });
    insta::assert_snapshot!(fail(service), @"the credentials FILE: `private_key` is no RSA key in PEM (PKCS #8)");
    insta::assert_snapshot!(fail(serde_json::json!({ "type": 7, "private_key": "SECRET" })), @"the credentials FILE: no JSON with a `type` (line 1, column 32)");
}
