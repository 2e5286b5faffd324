//! Every element of every ActiveSync code page, as MS-ASWBXML §2.1.2.1 lists them.
//!
//! A row is: constant, token, element name, first protocol version (versions before 12.1 count as
//! 12.1), and, for elements which a later version dropped, the last one after `..=`.

use crate::codepage::code_pages;

code_pages! {
    0 airsync "AirSync" "2.1.2.1.1" {
        SYNC 0x05 "Sync" V12_1;
        RESPONSES 0x06 "Responses" V12_1;
        ADD 0x07 "Add" V12_1;
        CHANGE 0x08 "Change" V12_1;
        DELETE 0x09 "Delete" V12_1;
        FETCH 0x0A "Fetch" V12_1;
        SYNC_KEY 0x0B "SyncKey" V12_1;
        CLIENT_ID 0x0C "ClientId" V12_1;
        SERVER_ID 0x0D "ServerId" V12_1;
        STATUS 0x0E "Status" V12_1;
        COLLECTION 0x0F "Collection" V12_1;
        CLASS 0x10 "Class" V12_1;
        COLLECTION_ID 0x12 "CollectionId" V12_1;
        GET_CHANGES 0x13 "GetChanges" V12_1;
        MORE_AVAILABLE 0x14 "MoreAvailable" V12_1;
        WINDOW_SIZE 0x15 "WindowSize" V12_1;
        COMMANDS 0x16 "Commands" V12_1;
        OPTIONS 0x17 "Options" V12_1;
        FILTER_TYPE 0x18 "FilterType" V12_1;
        CONFLICT 0x1B "Conflict" V12_1;
        COLLECTIONS 0x1C "Collections" V12_1;
        APPLICATION_DATA 0x1D "ApplicationData" V12_1;
        DELETES_AS_MOVES 0x1E "DeletesAsMoves" V12_1;
        SUPPORTED 0x20 "Supported" V12_1;
        SOFT_DELETE 0x21 "SoftDelete" V12_1;
        MIME_SUPPORT 0x22 "MIMESupport" V12_1;
        MIME_TRUNCATION 0x23 "MIMETruncation" V12_1;
        WAIT 0x24 "Wait" V12_1;
        LIMIT 0x25 "Limit" V12_1;
        PARTIAL 0x26 "Partial" V12_1;
        CONVERSATION_MODE 0x27 "ConversationMode" V14_0;
        MAX_ITEMS 0x28 "MaxItems" V14_0;
        HEARTBEAT_INTERVAL 0x29 "HeartbeatInterval" V14_0;
    }

    1 contacts "Contacts" "2.1.2.1.2" {
        ANNIVERSARY 0x05 "Anniversary" V12_1;
        ASSISTANT_NAME 0x06 "AssistantName" V12_1;
        ASSISTANT_PHONE_NUMBER 0x07 "AssistantPhoneNumber" V12_1;
        BIRTHDAY 0x08 "Birthday" V12_1;
        BUSINESS2_PHONE_NUMBER 0x0C "Business2PhoneNumber" V12_1;
        BUSINESS_ADDRESS_CITY 0x0D "BusinessAddressCity" V12_1;
        BUSINESS_ADDRESS_COUNTRY 0x0E "BusinessAddressCountry" V12_1;
        BUSINESS_ADDRESS_POSTAL_CODE 0x0F "BusinessAddressPostalCode" V12_1;
        BUSINESS_ADDRESS_STATE 0x10 "BusinessAddressState" V12_1;
        BUSINESS_ADDRESS_STREET 0x11 "BusinessAddressStreet" V12_1;
        BUSINESS_FAX_NUMBER 0x12 "BusinessFaxNumber" V12_1;
        BUSINESS_PHONE_NUMBER 0x13 "BusinessPhoneNumber" V12_1;
        CAR_PHONE_NUMBER 0x14 "CarPhoneNumber" V12_1;
        CATEGORIES 0x15 "Categories" V12_1;
        CATEGORY 0x16 "Category" V12_1;
        CHILDREN 0x17 "Children" V12_1;
        CHILD 0x18 "Child" V12_1;
        COMPANY_NAME 0x19 "CompanyName" V12_1;
        DEPARTMENT 0x1A "Department" V12_1;
        EMAIL1_ADDRESS 0x1B "Email1Address" V12_1;
        EMAIL2_ADDRESS 0x1C "Email2Address" V12_1;
        EMAIL3_ADDRESS 0x1D "Email3Address" V12_1;
        FILE_AS 0x1E "FileAs" V12_1;
        FIRST_NAME 0x1F "FirstName" V12_1;
        HOME2_PHONE_NUMBER 0x20 "Home2PhoneNumber" V12_1;
        HOME_ADDRESS_CITY 0x21 "HomeAddressCity" V12_1;
        HOME_ADDRESS_COUNTRY 0x22 "HomeAddressCountry" V12_1;
        HOME_ADDRESS_POSTAL_CODE 0x23 "HomeAddressPostalCode" V12_1;
        HOME_ADDRESS_STATE 0x24 "HomeAddressState" V12_1;
        HOME_ADDRESS_STREET 0x25 "HomeAddressStreet" V12_1;
        HOME_FAX_NUMBER 0x26 "HomeFaxNumber" V12_1;
        HOME_PHONE_NUMBER 0x27 "HomePhoneNumber" V12_1;
        JOB_TITLE 0x28 "JobTitle" V12_1;
        LAST_NAME 0x29 "LastName" V12_1;
        MIDDLE_NAME 0x2A "MiddleName" V12_1;
        MOBILE_PHONE_NUMBER 0x2B "MobilePhoneNumber" V12_1;
        OFFICE_LOCATION 0x2C "OfficeLocation" V12_1;
        OTHER_ADDRESS_CITY 0x2D "OtherAddressCity" V12_1;
        OTHER_ADDRESS_COUNTRY 0x2E "OtherAddressCountry" V12_1;
        OTHER_ADDRESS_POSTAL_CODE 0x2F "OtherAddressPostalCode" V12_1;
        OTHER_ADDRESS_STATE 0x30 "OtherAddressState" V12_1;
        OTHER_ADDRESS_STREET 0x31 "OtherAddressStreet" V12_1;
        PAGER_NUMBER 0x32 "PagerNumber" V12_1;
        RADIO_PHONE_NUMBER 0x33 "RadioPhoneNumber" V12_1;
        SPOUSE 0x34 "Spouse" V12_1;
        SUFFIX 0x35 "Suffix" V12_1;
        TITLE 0x36 "Title" V12_1;
        WEB_PAGE 0x37 "WebPage" V12_1;
        YOMI_COMPANY_NAME 0x38 "YomiCompanyName" V12_1;
        YOMI_FIRST_NAME 0x39 "YomiFirstName" V12_1;
        YOMI_LAST_NAME 0x3A "YomiLastName" V12_1;
        PICTURE 0x3C "Picture" V12_1;
        ALIAS 0x3D "Alias" V14_0;
        WEIGHTED_RANK 0x3E "WeightedRank" V14_0;
    }

    2 email "Email" "2.1.2.1.3" {
        DATE_RECEIVED 0x0F "DateReceived" V12_1;
        DISPLAY_TO 0x11 "DisplayTo" V12_1;
        IMPORTANCE 0x12 "Importance" V12_1;
        MESSAGE_CLASS 0x13 "MessageClass" V12_1;
        SUBJECT 0x14 "Subject" V12_1;
        READ 0x15 "Read" V12_1;
        TO 0x16 "To" V12_1;
        CC 0x17 "Cc" V12_1;
        FROM 0x18 "From" V12_1;
        REPLY_TO 0x19 "ReplyTo" V12_1;
        ALL_DAY_EVENT 0x1A "AllDayEvent" V12_1;
        CATEGORIES 0x1B "Categories" V14_0;
        CATEGORY 0x1C "Category" V14_0;
        DT_STAMP 0x1D "DtStamp" V12_1;
        END_TIME 0x1E "EndTime" V12_1;
        INSTANCE_TYPE 0x1F "InstanceType" V12_1;
        BUSY_STATUS 0x20 "BusyStatus" V12_1;
        LOCATION 0x21 "Location" V12_1 ..= V14_1;
        MEETING_REQUEST 0x22 "MeetingRequest" V12_1;
        ORGANIZER 0x23 "Organizer" V12_1;
        RECURRENCE_ID 0x24 "RecurrenceId" V12_1;
        REMINDER 0x25 "Reminder" V12_1;
        RESPONSE_REQUESTED 0x26 "ResponseRequested" V12_1;
        RECURRENCES 0x27 "Recurrences" V12_1;
        RECURRENCE 0x28 "Recurrence" V12_1;
        TYPE 0x29 "Type" V12_1;
        UNTIL 0x2A "Until" V12_1;
        OCCURRENCES 0x2B "Occurrences" V12_1;
        INTERVAL 0x2C "Interval" V12_1;
        DAY_OF_WEEK 0x2D "DayOfWeek" V12_1;
        DAY_OF_MONTH 0x2E "DayOfMonth" V12_1;
        WEEK_OF_MONTH 0x2F "WeekOfMonth" V12_1;
        MONTH_OF_YEAR 0x30 "MonthOfYear" V12_1;
        START_TIME 0x31 "StartTime" V12_1;
        SENSITIVITY 0x32 "Sensitivity" V12_1;
        TIME_ZONE 0x33 "TimeZone" V12_1;
        GLOBAL_OBJ_ID 0x34 "GlobalObjId" V12_1 ..= V14_1;
        THREAD_TOPIC 0x35 "ThreadTopic" V12_1;
        INTERNET_CPID 0x39 "InternetCPID" V12_1;
        FLAG 0x3A "Flag" V12_1;
        STATUS 0x3B "Status" V12_1;
        CONTENT_CLASS 0x3C "ContentClass" V12_1;
        FLAG_TYPE 0x3D "FlagType" V12_1;
        COMPLETE_TIME 0x3E "CompleteTime" V12_1;
        DISALLOW_NEW_TIME_PROPOSAL 0x3F "DisallowNewTimeProposal" V14_0;
    }

    // AirNotify is out of use; the page exists and is empty (MS-ASWBXML §2.1.2.1.4).
    3 airnotify "AirNotify" "2.1.2.1.4" {}

    4 calendar "Calendar" "2.1.2.1.5" {
        TIMEZONE 0x05 "Timezone" V12_1;
        ALL_DAY_EVENT 0x06 "AllDayEvent" V12_1;
        ATTENDEES 0x07 "Attendees" V12_1;
        ATTENDEE 0x08 "Attendee" V12_1;
        EMAIL 0x09 "Email" V12_1;
        NAME 0x0A "Name" V12_1;
        BUSY_STATUS 0x0D "BusyStatus" V12_1;
        CATEGORIES 0x0E "Categories" V12_1;
        CATEGORY 0x0F "Category" V12_1;
        DT_STAMP 0x11 "DtStamp" V12_1;
        END_TIME 0x12 "EndTime" V12_1;
        EXCEPTION 0x13 "Exception" V12_1;
        EXCEPTIONS 0x14 "Exceptions" V12_1;
        DELETED 0x15 "Deleted" V12_1;
        EXCEPTION_START_TIME 0x16 "ExceptionStartTime" V12_1 ..= V14_1;
        LOCATION 0x17 "Location" V12_1 ..= V14_1;
        MEETING_STATUS 0x18 "MeetingStatus" V12_1;
        ORGANIZER_EMAIL 0x19 "OrganizerEmail" V12_1;
        ORGANIZER_NAME 0x1A "OrganizerName" V12_1;
        RECURRENCE 0x1B "Recurrence" V12_1;
        TYPE 0x1C "Type" V12_1;
        UNTIL 0x1D "Until" V12_1;
        OCCURRENCES 0x1E "Occurrences" V12_1;
        INTERVAL 0x1F "Interval" V12_1;
        DAY_OF_WEEK 0x20 "DayOfWeek" V12_1;
        DAY_OF_MONTH 0x21 "DayOfMonth" V12_1;
        WEEK_OF_MONTH 0x22 "WeekOfMonth" V12_1;
        MONTH_OF_YEAR 0x23 "MonthOfYear" V12_1;
        REMINDER 0x24 "Reminder" V12_1;
        SENSITIVITY 0x25 "Sensitivity" V12_1;
        SUBJECT 0x26 "Subject" V12_1;
        START_TIME 0x27 "StartTime" V12_1;
        UID 0x28 "UID" V12_1;
        ATTENDEE_STATUS 0x29 "AttendeeStatus" V12_1;
        ATTENDEE_TYPE 0x2A "AttendeeType" V12_1;
        DISALLOW_NEW_TIME_PROPOSAL 0x33 "DisallowNewTimeProposal" V14_0;
        RESPONSE_REQUESTED 0x34 "ResponseRequested" V14_0;
        APPOINTMENT_REPLY_TIME 0x35 "AppointmentReplyTime" V14_0;
        RESPONSE_TYPE 0x36 "ResponseType" V14_0;
        CALENDAR_TYPE 0x37 "CalendarType" V14_0;
        IS_LEAP_MONTH 0x38 "IsLeapMonth" V14_0;
        FIRST_DAY_OF_WEEK 0x39 "FirstDayOfWeek" V14_1;
        ONLINE_MEETING_CONF_LINK 0x3A "OnlineMeetingConfLink" V14_1;
        ONLINE_MEETING_EXTERNAL_LINK 0x3B "OnlineMeetingExternalLink" V14_1;
        CLIENT_UID 0x3C "ClientUid" V16_0;
    }

    5 moveitems "Move" "2.1.2.1.6" {
        MOVE_ITEMS 0x05 "MoveItems" V12_1;
        MOVE 0x06 "Move" V12_1;
        SRC_MSG_ID 0x07 "SrcMsgId" V12_1;
        SRC_FLD_ID 0x08 "SrcFldId" V12_1;
        DST_FLD_ID 0x09 "DstFldId" V12_1;
        RESPONSE 0x0A "Response" V12_1;
        STATUS 0x0B "Status" V12_1;
        DST_MSG_ID 0x0C "DstMsgId" V12_1;
    }

    6 getitemestimate "GetItemEstimate" "2.1.2.1.7" {
        GET_ITEM_ESTIMATE 0x05 "GetItemEstimate" V12_1;
        COLLECTIONS 0x07 "Collections" V12_1;
        COLLECTION 0x08 "Collection" V12_1;
        CLASS 0x09 "Class" V12_1 ..= V12_1;
        COLLECTION_ID 0x0A "CollectionId" V12_1;
        ESTIMATE 0x0C "Estimate" V12_1;
        RESPONSE 0x0D "Response" V12_1;
        STATUS 0x0E "Status" V12_1;
    }

    7 folderhierarchy "FolderHierarchy" "2.1.2.1.8" {
        FOLDERS 0x05 "Folders" V12_1 ..= V12_1;
        FOLDER 0x06 "Folder" V12_1 ..= V12_1;
        DISPLAY_NAME 0x07 "DisplayName" V12_1;
        SERVER_ID 0x08 "ServerId" V12_1;
        PARENT_ID 0x09 "ParentId" V12_1;
        TYPE 0x0A "Type" V12_1;
        STATUS 0x0C "Status" V12_1;
        CHANGES 0x0E "Changes" V12_1;
        ADD 0x0F "Add" V12_1;
        DELETE 0x10 "Delete" V12_1;
        UPDATE 0x11 "Update" V12_1;
        SYNC_KEY 0x12 "SyncKey" V12_1;
        FOLDER_CREATE 0x13 "FolderCreate" V12_1;
        FOLDER_DELETE 0x14 "FolderDelete" V12_1;
        FOLDER_UPDATE 0x15 "FolderUpdate" V12_1;
        FOLDER_SYNC 0x16 "FolderSync" V12_1;
        COUNT 0x17 "Count" V12_1;
    }

    8 meetingresponse "MeetingResponse" "2.1.2.1.9" {
        CALENDAR_ID 0x05 "CalendarId" V12_1;
        COLLECTION_ID 0x06 "CollectionId" V12_1;
        MEETING_RESPONSE 0x07 "MeetingResponse" V12_1;
        REQUEST_ID 0x08 "RequestId" V12_1;
        REQUEST 0x09 "Request" V12_1;
        RESULT 0x0A "Result" V12_1;
        STATUS 0x0B "Status" V12_1;
        USER_RESPONSE 0x0C "UserResponse" V12_1;
        INSTANCE_ID 0x0E "InstanceId" V14_1;
        PROPOSED_START_TIME 0x10 "ProposedStartTime" V16_1;
        PROPOSED_END_TIME 0x11 "ProposedEndTime" V16_1;
        SEND_RESPONSE 0x12 "SendResponse" V16_0;
    }

    9 tasks "Tasks" "2.1.2.1.10" {
        CATEGORIES 0x08 "Categories" V12_1;
        CATEGORY 0x09 "Category" V12_1;
        COMPLETE 0x0A "Complete" V12_1;
        DATE_COMPLETED 0x0B "DateCompleted" V12_1;
        DUE_DATE 0x0C "DueDate" V12_1;
        UTC_DUE_DATE 0x0D "UtcDueDate" V12_1;
        IMPORTANCE 0x0E "Importance" V12_1;
        RECURRENCE 0x0F "Recurrence" V12_1;
        TYPE 0x10 "Type" V12_1;
        START 0x11 "Start" V12_1;
        UNTIL 0x12 "Until" V12_1;
        OCCURRENCES 0x13 "Occurrences" V12_1;
        INTERVAL 0x14 "Interval" V12_1;
        DAY_OF_MONTH 0x15 "DayOfMonth" V12_1;
        DAY_OF_WEEK 0x16 "DayOfWeek" V12_1;
        WEEK_OF_MONTH 0x17 "WeekOfMonth" V12_1;
        MONTH_OF_YEAR 0x18 "MonthOfYear" V12_1;
        REGENERATE 0x19 "Regenerate" V12_1;
        DEAD_OCCUR 0x1A "DeadOccur" V12_1;
        REMINDER_SET 0x1B "ReminderSet" V12_1;
        REMINDER_TIME 0x1C "ReminderTime" V12_1;
        SENSITIVITY 0x1D "Sensitivity" V12_1;
        START_DATE 0x1E "StartDate" V12_1;
        UTC_START_DATE 0x1F "UtcStartDate" V12_1;
        SUBJECT 0x20 "Subject" V12_1;
        ORDINAL_DATE 0x22 "OrdinalDate" V12_1;
        SUB_ORDINAL_DATE 0x23 "SubOrdinalDate" V12_1;
        CALENDAR_TYPE 0x24 "CalendarType" V14_0;
        IS_LEAP_MONTH 0x25 "IsLeapMonth" V14_0;
        FIRST_DAY_OF_WEEK 0x26 "FirstDayOfWeek" V14_1;
    }

    10 resolverecipients "ResolveRecipients" "2.1.2.1.11" {
        RESOLVE_RECIPIENTS 0x05 "ResolveRecipients" V12_1;
        RESPONSE 0x06 "Response" V12_1;
        STATUS 0x07 "Status" V12_1;
        TYPE 0x08 "Type" V12_1;
        RECIPIENT 0x09 "Recipient" V12_1;
        DISPLAY_NAME 0x0A "DisplayName" V12_1;
        EMAIL_ADDRESS 0x0B "EmailAddress" V12_1;
        CERTIFICATES 0x0C "Certificates" V12_1;
        CERTIFICATE 0x0D "Certificate" V12_1;
        MINI_CERTIFICATE 0x0E "MiniCertificate" V12_1;
        OPTIONS 0x0F "Options" V12_1;
        TO 0x10 "To" V12_1;
        CERTIFICATE_RETRIEVAL 0x11 "CertificateRetrieval" V12_1;
        RECIPIENT_COUNT 0x12 "RecipientCount" V12_1;
        MAX_CERTIFICATES 0x13 "MaxCertificates" V12_1;
        MAX_AMBIGUOUS_RECIPIENTS 0x14 "MaxAmbiguousRecipients" V12_1;
        CERTIFICATE_COUNT 0x15 "CertificateCount" V12_1;
        AVAILABILITY 0x16 "Availability" V14_0;
        START_TIME 0x17 "StartTime" V14_0;
        END_TIME 0x18 "EndTime" V14_0;
        MERGED_FREE_BUSY 0x19 "MergedFreeBusy" V14_0;
        PICTURE 0x1A "Picture" V14_1;
        MAX_SIZE 0x1B "MaxSize" V14_1;
        DATA 0x1C "Data" V14_1;
        MAX_PICTURES 0x1D "MaxPictures" V14_1;
    }

    11 validatecert "ValidateCert" "2.1.2.1.12" {
        VALIDATE_CERT 0x05 "ValidateCert" V12_1;
        CERTIFICATES 0x06 "Certificates" V12_1;
        CERTIFICATE 0x07 "Certificate" V12_1;
        CERTIFICATE_CHAIN 0x08 "CertificateChain" V12_1;
        CHECK_CRL 0x09 "CheckCRL" V12_1;
        STATUS 0x0A "Status" V12_1;
    }

    12 contacts2 "Contacts2" "2.1.2.1.13" {
        CUSTOMER_ID 0x05 "CustomerId" V12_1;
        GOVERNMENT_ID 0x06 "GovernmentId" V12_1;
        IM_ADDRESS 0x07 "IMAddress" V12_1;
        IM_ADDRESS2 0x08 "IMAddress2" V12_1;
        IM_ADDRESS3 0x09 "IMAddress3" V12_1;
        MANAGER_NAME 0x0A "ManagerName" V12_1;
        COMPANY_MAIN_PHONE 0x0B "CompanyMainPhone" V12_1;
        ACCOUNT_NAME 0x0C "AccountName" V12_1;
        NICK_NAME 0x0D "NickName" V12_1;
        MMS 0x0E "MMS" V12_1;
    }

    13 ping "Ping" "2.1.2.1.14" {
        PING 0x05 "Ping" V12_1;
        STATUS 0x07 "Status" V12_1;
        HEARTBEAT_INTERVAL 0x08 "HeartbeatInterval" V12_1;
        FOLDERS 0x09 "Folders" V12_1;
        FOLDER 0x0A "Folder" V12_1;
        ID 0x0B "Id" V12_1;
        CLASS 0x0C "Class" V12_1;
        MAX_FOLDERS 0x0D "MaxFolders" V12_1;
    }

    14 provision "Provision" "2.1.2.1.15" {
        PROVISION 0x05 "Provision" V12_1;
        POLICIES 0x06 "Policies" V12_1;
        POLICY 0x07 "Policy" V12_1;
        POLICY_TYPE 0x08 "PolicyType" V12_1;
        POLICY_KEY 0x09 "PolicyKey" V12_1;
        DATA 0x0A "Data" V12_1;
        STATUS 0x0B "Status" V12_1;
        REMOTE_WIPE 0x0C "RemoteWipe" V12_1;
        EAS_PROVISION_DOC 0x0D "EASProvisionDoc" V12_1;
        DEVICE_PASSWORD_ENABLED 0x0E "DevicePasswordEnabled" V12_1;
        ALPHANUMERIC_DEVICE_PASSWORD_REQUIRED 0x0F "AlphanumericDevicePasswordRequired" V12_1;
        REQUIRE_STORAGE_CARD_ENCRYPTION 0x10 "RequireStorageCardEncryption" V12_1;
        PASSWORD_RECOVERY_ENABLED 0x11 "PasswordRecoveryEnabled" V12_1;
        ATTACHMENTS_ENABLED 0x13 "AttachmentsEnabled" V12_1;
        MIN_DEVICE_PASSWORD_LENGTH 0x14 "MinDevicePasswordLength" V12_1;
        MAX_INACTIVITY_TIME_DEVICE_LOCK 0x15 "MaxInactivityTimeDeviceLock" V12_1;
        MAX_DEVICE_PASSWORD_FAILED_ATTEMPTS 0x16 "MaxDevicePasswordFailedAttempts" V12_1 ..= V16_0;
        MAX_ATTACHMENT_SIZE 0x17 "MaxAttachmentSize" V12_1;
        ALLOW_SIMPLE_DEVICE_PASSWORD 0x18 "AllowSimpleDevicePassword" V12_1;
        DEVICE_PASSWORD_EXPIRATION 0x19 "DevicePasswordExpiration" V12_1;
        DEVICE_PASSWORD_HISTORY 0x1A "DevicePasswordHistory" V12_1;
        ALLOW_STORAGE_CARD 0x1B "AllowStorageCard" V12_1;
        ALLOW_CAMERA 0x1C "AllowCamera" V12_1;
        REQUIRE_DEVICE_ENCRYPTION 0x1D "RequireDeviceEncryption" V12_1;
        ALLOW_UNSIGNED_APPLICATIONS 0x1E "AllowUnsignedApplications" V12_1;
        ALLOW_UNSIGNED_INSTALLATION_PACKAGES 0x1F "AllowUnsignedInstallationPackages" V12_1;
        MIN_DEVICE_PASSWORD_COMPLEX_CHARACTERS 0x20 "MinDevicePasswordComplexCharacters" V12_1;
        ALLOW_WIFI 0x21 "AllowWiFi" V12_1;
        ALLOW_TEXT_MESSAGING 0x22 "AllowTextMessaging" V12_1;
        ALLOW_POP_IMAP_EMAIL 0x23 "AllowPOPIMAPEmail" V12_1;
        ALLOW_BLUETOOTH 0x24 "AllowBluetooth" V12_1;
        ALLOW_IRDA 0x25 "AllowIrDA" V12_1;
        REQUIRE_MANUAL_SYNC_WHEN_ROAMING 0x26 "RequireManualSyncWhenRoaming" V12_1;
        ALLOW_DESKTOP_SYNC 0x27 "AllowDesktopSync" V12_1;
        MAX_CALENDAR_AGE_FILTER 0x28 "MaxCalendarAgeFilter" V12_1 ..= V16_0;
        ALLOW_HTML_EMAIL 0x29 "AllowHTMLEmail" V12_1;
        MAX_EMAIL_AGE_FILTER 0x2A "MaxEmailAgeFilter" V12_1;
        MAX_EMAIL_BODY_TRUNCATION_SIZE 0x2B "MaxEmailBodyTruncationSize" V12_1;
        MAX_EMAIL_HTML_BODY_TRUNCATION_SIZE 0x2C "MaxEmailHTMLBodyTruncationSize" V12_1;
        REQUIRE_SIGNED_SMIME_MESSAGES 0x2D "RequireSignedSMIMEMessages" V12_1;
        REQUIRE_ENCRYPTED_SMIME_MESSAGES 0x2E "RequireEncryptedSMIMEMessages" V12_1;
        REQUIRE_SIGNED_SMIME_ALGORITHM 0x2F "RequireSignedSMIMEAlgorithm" V12_1;
        REQUIRE_ENCRYPTION_SMIME_ALGORITHM 0x30 "RequireEncryptionSMIMEAlgorithm" V12_1;
        ALLOW_SMIME_ENCRYPTION_ALGORITHM_NEGOTIATION 0x31 "AllowSMIMEEncryptionAlgorithmNegotiation" V12_1;
        ALLOW_SMIME_SOFT_CERTS 0x32 "AllowSMIMESoftCerts" V12_1;
        ALLOW_BROWSER 0x33 "AllowBrowser" V12_1;
        ALLOW_CONSUMER_EMAIL 0x34 "AllowConsumerEmail" V12_1;
        ALLOW_REMOTE_DESKTOP 0x35 "AllowRemoteDesktop" V12_1;
        ALLOW_INTERNET_SHARING 0x36 "AllowInternetSharing" V12_1;
        UNAPPROVED_IN_ROM_APPLICATION_LIST 0x37 "UnapprovedInROMApplicationList" V12_1;
        APPLICATION_NAME 0x38 "ApplicationName" V12_1;
        APPROVED_APPLICATION_LIST 0x39 "ApprovedApplicationList" V12_1;
        HASH 0x3A "Hash" V12_1;
        ACCOUNT_ONLY_REMOTE_WIPE 0x3B "AccountOnlyRemoteWipe" V16_1;
    }

    15 search "Search" "2.1.2.1.16" {
        SEARCH 0x05 "Search" V12_1;
        STORE 0x07 "Store" V12_1;
        NAME 0x08 "Name" V12_1;
        QUERY 0x09 "Query" V12_1;
        OPTIONS 0x0A "Options" V12_1;
        RANGE 0x0B "Range" V12_1;
        STATUS 0x0C "Status" V12_1;
        RESPONSE 0x0D "Response" V12_1;
        RESULT 0x0E "Result" V12_1;
        PROPERTIES 0x0F "Properties" V12_1;
        TOTAL 0x10 "Total" V12_1;
        EQUAL_TO 0x11 "EqualTo" V12_1;
        VALUE 0x12 "Value" V12_1;
        AND 0x13 "And" V12_1;
        OR 0x14 "Or" V12_1;
        FREE_TEXT 0x15 "FreeText" V12_1;
        DEEP_TRAVERSAL 0x17 "DeepTraversal" V12_1;
        LONG_ID 0x18 "LongId" V12_1;
        REBUILD_RESULTS 0x19 "RebuildResults" V12_1;
        LESS_THAN 0x1A "LessThan" V12_1;
        GREATER_THAN 0x1B "GreaterThan" V12_1;
        USER_NAME 0x1E "UserName" V12_1;
        PASSWORD 0x1F "Password" V12_1;
        CONVERSATION_ID 0x20 "ConversationId" V14_0;
        PICTURE 0x21 "Picture" V14_1;
        MAX_SIZE 0x22 "MaxSize" V14_1;
        MAX_PICTURES 0x23 "MaxPictures" V14_1;
    }

    16 gal "GAL" "2.1.2.1.17" {
        DISPLAY_NAME 0x05 "DisplayName" V12_1;
        PHONE 0x06 "Phone" V12_1;
        OFFICE 0x07 "Office" V12_1;
        TITLE 0x08 "Title" V12_1;
        COMPANY 0x09 "Company" V12_1;
        ALIAS 0x0A "Alias" V12_1;
        FIRST_NAME 0x0B "FirstName" V12_1;
        LAST_NAME 0x0C "LastName" V12_1;
        HOME_PHONE 0x0D "HomePhone" V12_1;
        MOBILE_PHONE 0x0E "MobilePhone" V12_1;
        EMAIL_ADDRESS 0x0F "EmailAddress" V12_1;
        PICTURE 0x10 "Picture" V14_1;
        STATUS 0x11 "Status" V14_1;
        DATA 0x12 "Data" V14_1;
    }

    17 airsyncbase "AirSyncBase" "2.1.2.1.18" {
        BODY_PREFERENCE 0x05 "BodyPreference" V12_1;
        TYPE 0x06 "Type" V12_1;
        TRUNCATION_SIZE 0x07 "TruncationSize" V12_1;
        ALL_OR_NONE 0x08 "AllOrNone" V12_1;
        BODY 0x0A "Body" V12_1;
        DATA 0x0B "Data" V12_1;
        ESTIMATED_DATA_SIZE 0x0C "EstimatedDataSize" V12_1;
        TRUNCATED 0x0D "Truncated" V12_1;
        ATTACHMENTS 0x0E "Attachments" V12_1;
        ATTACHMENT 0x0F "Attachment" V12_1;
        DISPLAY_NAME 0x10 "DisplayName" V12_1;
        FILE_REFERENCE 0x11 "FileReference" V12_1;
        METHOD 0x12 "Method" V12_1;
        CONTENT_ID 0x13 "ContentId" V12_1;
        CONTENT_LOCATION 0x14 "ContentLocation" V12_1;
        IS_INLINE 0x15 "IsInline" V12_1;
        NATIVE_BODY_TYPE 0x16 "NativeBodyType" V12_1;
        CONTENT_TYPE 0x17 "ContentType" V12_1;
        PREVIEW 0x18 "Preview" V14_0;
        BODY_PART_PREFERENCE 0x19 "BodyPartPreference" V14_1;
        BODY_PART 0x1A "BodyPart" V14_1;
        STATUS 0x1B "Status" V14_1;
        ADD 0x1C "Add" V16_0;
        DELETE 0x1D "Delete" V16_0;
        CLIENT_ID 0x1E "ClientId" V16_0;
        CONTENT 0x1F "Content" V16_0;
        LOCATION 0x20 "Location" V16_0;
        ANNOTATION 0x21 "Annotation" V16_0;
        STREET 0x22 "Street" V16_0;
        CITY 0x23 "City" V16_0;
        STATE 0x24 "State" V16_0;
        COUNTRY 0x25 "Country" V16_0;
        POSTAL_CODE 0x26 "PostalCode" V16_0;
        LATITUDE 0x27 "Latitude" V16_0;
        LONGITUDE 0x28 "Longitude" V16_0;
        ACCURACY 0x29 "Accuracy" V16_0;
        ALTITUDE 0x2A "Altitude" V16_0;
        ALTITUDE_ACCURACY 0x2B "AltitudeAccuracy" V16_0;
        LOCATION_URI 0x2C "LocationUri" V16_0;
        INSTANCE_ID 0x2D "InstanceId" V16_0;
    }

    18 settings "Settings" "2.1.2.1.19" {
        SETTINGS 0x05 "Settings" V12_1;
        STATUS 0x06 "Status" V12_1;
        GET 0x07 "Get" V12_1;
        SET 0x08 "Set" V12_1;
        OOF 0x09 "Oof" V12_1;
        OOF_STATE 0x0A "OofState" V12_1;
        START_TIME 0x0B "StartTime" V12_1;
        END_TIME 0x0C "EndTime" V12_1;
        OOF_MESSAGE 0x0D "OofMessage" V12_1;
        APPLIES_TO_INTERNAL 0x0E "AppliesToInternal" V12_1;
        APPLIES_TO_EXTERNAL_KNOWN 0x0F "AppliesToExternalKnown" V12_1;
        APPLIES_TO_EXTERNAL_UNKNOWN 0x10 "AppliesToExternalUnknown" V12_1;
        ENABLED 0x11 "Enabled" V12_1;
        REPLY_MESSAGE 0x12 "ReplyMessage" V12_1;
        BODY_TYPE 0x13 "BodyType" V12_1;
        DEVICE_PASSWORD 0x14 "DevicePassword" V12_1;
        PASSWORD 0x15 "Password" V12_1;
        DEVICE_INFORMATION 0x16 "DeviceInformation" V12_1;
        MODEL 0x17 "Model" V12_1;
        IMEI 0x18 "IMEI" V12_1;
        FRIENDLY_NAME 0x19 "FriendlyName" V12_1;
        OS 0x1A "OS" V12_1;
        OS_LANGUAGE 0x1B "OSLanguage" V12_1;
        PHONE_NUMBER 0x1C "PhoneNumber" V12_1;
        USER_INFORMATION 0x1D "UserInformation" V12_1;
        EMAIL_ADDRESSES 0x1E "EmailAddresses" V12_1;
        SMTP_ADDRESS 0x1F "SMTPAddress" V12_1;
        USER_AGENT 0x20 "UserAgent" V12_1;
        ENABLE_OUTBOUND_SMS 0x21 "EnableOutboundSMS" V14_0;
        MOBILE_OPERATOR 0x22 "MobileOperator" V14_0;
        PRIMARY_SMTP_ADDRESS 0x23 "PrimarySmtpAddress" V14_1;
        ACCOUNTS 0x24 "Accounts" V14_1;
        ACCOUNT 0x25 "Account" V14_1;
        ACCOUNT_ID 0x26 "AccountId" V14_1;
        ACCOUNT_NAME 0x27 "AccountName" V14_1;
        USER_DISPLAY_NAME 0x28 "UserDisplayName" V14_1;
        SEND_DISABLED 0x29 "SendDisabled" V14_1;
        RIGHTS_MANAGEMENT_INFORMATION 0x2B "RightsManagementInformation" V14_1;
    }

    19 documentlibrary "DocumentLibrary" "2.1.2.1.20" {
        LINK_ID 0x05 "LinkId" V12_1;
        DISPLAY_NAME 0x06 "DisplayName" V12_1;
        IS_FOLDER 0x07 "IsFolder" V12_1;
        CREATION_DATE 0x08 "CreationDate" V12_1;
        LAST_MODIFIED_DATE 0x09 "LastModifiedDate" V12_1;
        IS_HIDDEN 0x0A "IsHidden" V12_1;
        CONTENT_LENGTH 0x0B "ContentLength" V12_1;
        CONTENT_TYPE 0x0C "ContentType" V12_1;
    }

    20 itemoperations "ItemOperations" "2.1.2.1.21" {
        ITEM_OPERATIONS 0x05 "ItemOperations" V12_1;
        FETCH 0x06 "Fetch" V12_1;
        STORE 0x07 "Store" V12_1;
        OPTIONS 0x08 "Options" V12_1;
        RANGE 0x09 "Range" V12_1;
        TOTAL 0x0A "Total" V12_1;
        PROPERTIES 0x0B "Properties" V12_1;
        DATA 0x0C "Data" V12_1;
        STATUS 0x0D "Status" V12_1;
        RESPONSE 0x0E "Response" V12_1;
        VERSION 0x0F "Version" V12_1;
        SCHEMA 0x10 "Schema" V12_1;
        PART 0x11 "Part" V12_1;
        EMPTY_FOLDER_CONTENTS 0x12 "EmptyFolderContents" V12_1;
        DELETE_SUB_FOLDERS 0x13 "DeleteSubFolders" V12_1;
        USER_NAME 0x14 "UserName" V12_1;
        PASSWORD 0x15 "Password" V12_1;
        MOVE 0x16 "Move" V14_0;
        DST_FLD_ID 0x17 "DstFldId" V14_0;
        CONVERSATION_ID 0x18 "ConversationId" V14_0;
        MOVE_ALWAYS 0x19 "MoveAlways" V14_0;
    }

    21 composemail "ComposeMail" "2.1.2.1.22" {
        SEND_MAIL 0x05 "SendMail" V14_0;
        SMART_FORWARD 0x06 "SmartForward" V14_0;
        SMART_REPLY 0x07 "SmartReply" V14_0;
        SAVE_IN_SENT_ITEMS 0x08 "SaveInSentItems" V14_0;
        REPLACE_MIME 0x09 "ReplaceMime" V14_0;
        SOURCE 0x0B "Source" V14_0;
        FOLDER_ID 0x0C "FolderId" V14_0;
        ITEM_ID 0x0D "ItemId" V14_0;
        LONG_ID 0x0E "LongId" V14_0;
        INSTANCE_ID 0x0F "InstanceId" V14_0;
        MIME 0x10 "Mime" V14_0;
        CLIENT_ID 0x11 "ClientId" V14_0;
        STATUS 0x12 "Status" V14_0;
        ACCOUNT_ID 0x13 "AccountId" V14_1;
        FORWARDEES 0x15 "Forwardees" V16_0;
        FORWARDEE 0x16 "Forwardee" V16_0;
        NAME 0x17 "Name" V16_0;
        EMAIL 0x18 "Email" V16_0;
    }

    22 email2 "Email2" "2.1.2.1.23" {
        UM_CALLER_ID 0x05 "UmCallerID" V14_0;
        UM_USER_NOTES 0x06 "UmUserNotes" V14_0;
        UM_ATT_DURATION 0x07 "UmAttDuration" V14_0;
        UM_ATT_ORDER 0x08 "UmAttOrder" V14_0;
        CONVERSATION_ID 0x09 "ConversationId" V14_0;
        CONVERSATION_INDEX 0x0A "ConversationIndex" V14_0;
        LAST_VERB_EXECUTED 0x0B "LastVerbExecuted" V14_0;
        LAST_VERB_EXECUTION_TIME 0x0C "LastVerbExecutionTime" V14_0;
        RECEIVED_AS_BCC 0x0D "ReceivedAsBcc" V14_0;
        SENDER 0x0E "Sender" V14_0;
        CALENDAR_TYPE 0x0F "CalendarType" V14_0;
        IS_LEAP_MONTH 0x10 "IsLeapMonth" V14_0;
        ACCOUNT_ID 0x11 "AccountId" V14_1;
        FIRST_DAY_OF_WEEK 0x12 "FirstDayOfWeek" V14_1;
        MEETING_MESSAGE_TYPE 0x13 "MeetingMessageType" V14_1;
        IS_DRAFT 0x15 "IsDraft" V16_0;
        BCC 0x16 "Bcc" V16_0;
        SEND 0x17 "Send" V16_0;
    }

    23 notes "Notes" "2.1.2.1.24" {
        SUBJECT 0x05 "Subject" V14_0;
        MESSAGE_CLASS 0x06 "MessageClass" V14_0;
        LAST_MODIFIED_DATE 0x07 "LastModifiedDate" V14_0;
        CATEGORIES 0x08 "Categories" V14_0;
        CATEGORY 0x09 "Category" V14_0;
    }

    24 rightsmanagement "RightsManagement" "2.1.2.1.25" {
        RIGHTS_MANAGEMENT_SUPPORT 0x05 "RightsManagementSupport" V14_1;
        RIGHTS_MANAGEMENT_TEMPLATES 0x06 "RightsManagementTemplates" V14_1;
        RIGHTS_MANAGEMENT_TEMPLATE 0x07 "RightsManagementTemplate" V14_1;
        RIGHTS_MANAGEMENT_LICENSE 0x08 "RightsManagementLicense" V14_1;
        EDIT_ALLOWED 0x09 "EditAllowed" V14_1;
        REPLY_ALLOWED 0x0A "ReplyAllowed" V14_1;
        REPLY_ALL_ALLOWED 0x0B "ReplyAllAllowed" V14_1;
        FORWARD_ALLOWED 0x0C "ForwardAllowed" V14_1;
        MODIFY_RECIPIENTS_ALLOWED 0x0D "ModifyRecipientsAllowed" V14_1;
        EXTRACT_ALLOWED 0x0E "ExtractAllowed" V14_1;
        PRINT_ALLOWED 0x0F "PrintAllowed" V14_1;
        EXPORT_ALLOWED 0x10 "ExportAllowed" V14_1;
        PROGRAMMATIC_ACCESS_ALLOWED 0x11 "ProgrammaticAccessAllowed" V14_1;
        OWNER 0x12 "Owner" V14_1;
        CONTENT_EXPIRY_DATE 0x13 "ContentExpiryDate" V14_1;
        TEMPLATE_ID 0x14 "TemplateID" V14_1;
        TEMPLATE_NAME 0x15 "TemplateName" V14_1;
        TEMPLATE_DESCRIPTION 0x16 "TemplateDescription" V14_1;
        CONTENT_OWNER 0x17 "ContentOwner" V14_1;
        REMOVE_RIGHTS_MANAGEMENT_PROTECTION 0x18 "RemoveRightsManagementProtection" V14_1;
    }

    25 find "Find" "2.1.2.1.26" {
        FIND 0x05 "Find" V16_1;
        SEARCH_ID 0x06 "SearchId" V16_1;
        EXECUTE_SEARCH 0x07 "ExecuteSearch" V16_1;
        MAIL_BOX_SEARCH_CRITERION 0x08 "MailBoxSearchCriterion" V16_1;
        QUERY 0x09 "Query" V16_1;
        STATUS 0x0A "Status" V16_1;
        FREE_TEXT 0x0B "FreeText" V16_1;
        OPTIONS 0x0C "Options" V16_1;
        RANGE 0x0D "Range" V16_1;
        DEEP_TRAVERSAL 0x0E "DeepTraversal" V16_1;
        RESPONSE 0x11 "Response" V16_1;
        RESULT 0x12 "Result" V16_1;
        PROPERTIES 0x13 "Properties" V16_1;
        PREVIEW 0x14 "Preview" V16_1;
        HAS_ATTACHMENTS 0x15 "HasAttachments" V16_1;
        TOTAL 0x16 "Total" V16_1;
        DISPLAY_CC 0x17 "DisplayCc" V16_1;
        DISPLAY_BCC 0x18 "DisplayBcc" V16_1;
        GAL_SEARCH_CRITERION 0x19 "GalSearchCriterion" V16_1;
        MAX_PICTURES 0x20 "MaxPictures" V16_1;
        MAX_SIZE 0x21 "MaxSize" V16_1;
        PICTURE 0x22 "Picture" V16_1;
    }
}
