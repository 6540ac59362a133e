//! What goes on beside requests for as long as the server runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gateway::app::App;
use gateway::notes::{NoteLevel, Notes};
use gateway::tls::Tls;
use gateway::token::KeySource;
use node::Node;
use node::node::TenantHandle;
use node::request::NotServing;
use tokio::time::sleep;

/// Reads keys and certificates again when their files have changed. What cannot be read leaves what is in use.
pub async fn reload(app: Arc<App>, keys: KeySource, tls: Option<Arc<Tls>>, every: Duration) {
    let notes = &app.process.notes;
    let changed = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    let tls_files = |tls: &Tls| -> Vec<PathBuf> {
        vec![tls.files().certificates.clone(), tls.files().key.clone()]
    };
    let stamps = |paths: &[PathBuf]| -> Vec<Option<SystemTime>> {
        paths.iter().map(|path| changed(path)).collect()
    };
    let key_files = [keys.path().to_path_buf()];
    let certificate_files = tls.as_deref().map(tls_files).unwrap_or_default();
    let (mut key_stamps, mut certificate_stamps) = (stamps(&key_files), stamps(&certificate_files));
    loop {
        sleep(every).await;
        let (key_now, certificate_now) = (stamps(&key_files), stamps(&certificate_files));
        if key_now != key_stamps {
            key_stamps = key_now;
            match keys.read() {
                Ok(fresh) => {
                    app.verifier.replace_keys(fresh);
                    notes.tell(NoteLevel::Info, || "keys were read again".to_owned());
                }
                Err(error) => notes.tell(NoteLevel::Warning, || {
                    format!("keys stay as they were: {error}")
                }),
            }
        }
        if let Some(tls) = &tls
            && certificate_now != certificate_stamps
        {
            certificate_stamps = certificate_now;
            match tls.reload() {
                Ok(()) => notes.tell(NoteLevel::Info, || {
                    "certificates were read again".to_owned()
                }),
                Err(error) => notes.tell(NoteLevel::Warning, || {
                    format!("certificates stay as they were: {error}")
                }),
            }
        }
    }
}

/// Tells the operator what a tenant's opening found amiss, when it stops serving, and when it serves again; and the same
/// of its shadows. Requests are not logged.
pub async fn tell_status(node: Arc<Node>, notes: Arc<Notes>) {
    let mut told: BTreeMap<String, NotServing> = BTreeMap::new();
    let mut troubled = BTreeMap::new();
    loop {
        for tenant in node.tenants() {
            tell_shadows(&tenant, &notes, &mut troubled);
            for text in tenant.take_warnings() {
                notes.tell(NoteLevel::Warning, || {
                    format!("tenant {}: {text}", tenant.name)
                });
            }
            match tenant.status() {
                Some(NotServing::Starting | NotServing::Draining) => {}
                Some(status) if told.get(&tenant.name) != Some(&status) => {
                    notes.tell(NoteLevel::Warning, || {
                        format!("tenant {} is {status}", tenant.name)
                    });
                    told.insert(tenant.name.clone(), status);
                }
                Some(_) => {}
                None => {
                    if told.remove(&tenant.name).is_some() {
                        notes.tell(NoteLevel::Warning, || {
                            format!("tenant {} is serving again", tenant.name)
                        });
                    }
                }
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Trouble that the operator knows of, by tenant and shadow.
type Troubled = BTreeMap<(String, [u8; 32]), String>;

fn tell_shadows(tenant: &TenantHandle, notes: &Notes, told: &mut Troubled) {
    let lanes = tenant.shadows().lanes();
    // A shadow that has ended is news to whoever ended it.
    told.retain(|(name, artifact), _| {
        *name != tenant.name || lanes.iter().any(|it| it.artifact == *artifact)
    });
    for lane in lanes {
        let shadow = (tenant.name.clone(), lane.artifact);
        let version = event::hex(&lane.artifact[..6]);
        let name = &tenant.name;
        match lane.trouble() {
            Some(trouble) if told.get(&shadow) != Some(&trouble) => {
                notes.tell(NoteLevel::Warning, || {
                    format!("tenant {name}: shadow {version} does not score: {trouble}")
                });
                told.insert(shadow, trouble);
            }
            Some(_) => {}
            None => {
                if told.remove(&shadow).is_some() {
                    notes.tell(NoteLevel::Warning, || {
                        format!("tenant {name}: shadow {version} scores again")
                    });
                }
            }
        }
    }
}
