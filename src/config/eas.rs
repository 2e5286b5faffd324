//! `[eas]` and `[eas.policy]`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::seconds;

/// `[eas]`: Exchange ActiveSync.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Eas {
    /// Where clients reach the server, as Autodiscover tells them: `https://` and a host, with a port if
    /// it is not 443. Absent: the host that the request names, with `https` unless it came in clear
    /// and no proxy says otherwise.
    pub public_url: Option<String>,
    /// Shortest Ping or Sync wait, in seconds; shorter asks are told this limit (Ping Status 5, Sync
    /// Status 14). Default: 60.
    #[serde(with = "seconds")]
    pub heartbeat_min: Duration,
    /// Longest Ping or Sync wait, in seconds. Default: 3,540.
    #[serde(with = "seconds")]
    pub heartbeat_max: Duration,
    /// Most changes of one Sync answer, whatever WindowSize asks. MS-ASCMD §2.2.3.199 has 512.
    /// Default: 512.
    pub window_max: u32,
    /// Largest request body, in bytes; a message sent by a phone is one. Default: 64 MiB.
    pub request_max: u64,
    /// Most folders of one Ping, told as MaxFolders. Default: 200.
    pub ping_folders_max: u32,
    /// Most collections of one Sync. Default: 200.
    pub collections_max: u32,
    /// Devices of one account; the oldest unused is forgotten when a further one appears.
    /// Default: 100.
    pub devices_max: u32,
    /// Refuse devices that have not applied the policy. Default: true.
    pub require_provisioning: bool,
    /// PEM file of authorities that may issue certificates for signing mail, beside those that the system
    /// trusts: for ValidateCert. Read when the first phone asks.
    pub mail_authorities: Option<PathBuf>,
    /// What devices must apply.
    pub policy: Policy,
}

impl Default for Eas {
    fn default() -> Self {
        Self {
            public_url: None,
            heartbeat_min: Duration::from_secs(60),
            heartbeat_max: Duration::from_secs(3540),
            window_max: 512,
            request_max: 64 << 20,
            ping_folders_max: 200,
            collections_max: 200,
            devices_max: 100,
            require_provisioning: true,
            mail_authorities: None,
            policy: Policy::default(),
        }
    }
}

/// `[eas.policy]`: the policy document, one setting an element of MS-ASPROV §2.2.2. The defaults ask
/// nothing of a device. Where 0 stands for "no limit" the element is sent empty, as the standard has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// DevicePasswordEnabled. Default: false.
    pub device_password_enabled: bool,
    /// AlphanumericDevicePasswordRequired. Default: false.
    pub alphanumeric_device_password_required: bool,
    /// AllowSimpleDevicePassword. Default: true.
    pub allow_simple_device_password: bool,
    /// MinDevicePasswordLength, 1 to 16. Default: 1.
    pub min_device_password_length: u8,
    /// MinDevicePasswordComplexCharacters, 1 to 4. Default: 1.
    pub min_device_password_complex_characters: u8,
    /// MaxDevicePasswordFailedAttempts, 4 to 16; 0 for no limit. Default: 0.
    pub max_device_password_failed_attempts: u8,
    /// MaxInactivityTimeDeviceLock, in seconds up to 9,998; 0 for no limit. Default: 0.
    pub max_inactivity_time_device_lock: u32,
    /// DevicePasswordExpiration, in days; 0 for never. Default: 0.
    pub device_password_expiration: u32,
    /// DevicePasswordHistory, passwords remembered. Default: 0.
    pub device_password_history: u32,
    /// PasswordRecoveryEnabled. Default: false.
    pub password_recovery_enabled: bool,
    /// RequireDeviceEncryption. Default: false.
    pub require_device_encryption: bool,
    /// RequireStorageCardEncryption. Default: false.
    pub require_storage_card_encryption: bool,
    /// AttachmentsEnabled. Default: true.
    pub attachments_enabled: bool,
    /// MaxAttachmentSize, in bytes; 0 for no limit. Default: 0.
    pub max_attachment_size: u32,
    /// AllowStorageCard. Default: true.
    pub allow_storage_card: bool,
    /// AllowCamera. Default: true.
    pub allow_camera: bool,
    /// AllowWifi. Default: true.
    pub allow_wifi: bool,
    /// AllowBluetooth: 0 none, 1 hands-free only, 2 all. Default: 2.
    pub allow_bluetooth: u8,
    /// AllowIrDA. Default: true.
    pub allow_irda: bool,
    /// AllowTextMessaging. Default: true.
    pub allow_text_messaging: bool,
    /// AllowPOPIMAPEmail. Default: true.
    pub allow_popimap_email: bool,
    /// AllowHTMLEmail. Default: true.
    pub allow_html_email: bool,
    /// AllowBrowser. Default: true.
    pub allow_browser: bool,
    /// AllowConsumerEmail. Default: true.
    pub allow_consumer_email: bool,
    /// AllowDesktopSync. Default: true.
    pub allow_desktop_sync: bool,
    /// AllowRemoteDesktop. Default: true.
    pub allow_remote_desktop: bool,
    /// AllowInternetSharing. Default: true.
    pub allow_internet_sharing: bool,
    /// AllowUnsignedApplications. Default: true.
    pub allow_unsigned_applications: bool,
    /// AllowUnsignedInstallationPackages. Default: true.
    pub allow_unsigned_installation_packages: bool,
    /// RequireManualSyncWhenRoaming. Default: false.
    pub require_manual_sync_when_roaming: bool,
    /// MaxEmailAgeFilter: 0 all, 1 a day, 2 three days, 3 a week, 4 two weeks, 5 a month. Default: 0.
    pub max_email_age_filter: u8,
    /// MaxCalendarAgeFilter: 0 all, 4 two weeks, 5 a month, 6 three months, 7 six months. Default: 0.
    pub max_calendar_age_filter: u8,
    /// MaxEmailBodyTruncationSize, in KiB; -1 for no limit. Default: -1.
    pub max_email_body_truncation_size: i32,
    /// MaxEmailHTMLBodyTruncationSize, in KiB; -1 for no limit. Default: -1.
    pub max_email_html_body_truncation_size: i32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            device_password_enabled: false,
            alphanumeric_device_password_required: false,
            allow_simple_device_password: true,
            min_device_password_length: 1,
            min_device_password_complex_characters: 1,
            max_device_password_failed_attempts: 0,
            max_inactivity_time_device_lock: 0,
            device_password_expiration: 0,
            device_password_history: 0,
            password_recovery_enabled: false,
            require_device_encryption: false,
            require_storage_card_encryption: false,
            attachments_enabled: true,
            max_attachment_size: 0,
            allow_storage_card: true,
            allow_camera: true,
            allow_wifi: true,
            allow_bluetooth: 2,
            allow_irda: true,
            allow_text_messaging: true,
            allow_popimap_email: true,
            allow_html_email: true,
            allow_browser: true,
            allow_consumer_email: true,
            allow_desktop_sync: true,
            allow_remote_desktop: true,
            allow_internet_sharing: true,
            allow_unsigned_applications: true,
            allow_unsigned_installation_packages: true,
            require_manual_sync_when_roaming: false,
            max_email_age_filter: 0,
            max_calendar_age_filter: 0,
            max_email_body_truncation_size: -1,
            max_email_html_body_truncation_size: -1,
        }
    }
}
