/* See provider.h. From the providers' own documents. */
#include "config/provider.h"

#include <string.h>

#include "base/text.h"

static const struct provider providers[] = {
    {
        .name = "mailgun",
        .title = "Mailgun (US)",
        .host = "smtp.mailgun.org",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user = "postmaster@%s",
        .user_is = "SMTP login",
        .password_is = "SMTP password, shown once by Domain settings, SMTP credentials",
        .spf = "include:mailgun.org",
    },
    {
        .name = "mailgun-eu",
        .title = "Mailgun (EU)",
        .host = "smtp.eu.mailgun.org",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user = "postmaster@%s",
        .user_is = "SMTP login",
        .password_is = "SMTP password, shown once by Domain settings, SMTP credentials",
        .spf = "include:mailgun.org",
    },
    {
        .name = "ses",
        .title = "Amazon SES",
        .host = "email-smtp.%s.amazonaws.com",
        .region = "eu-west-1",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user_is = "SMTP user name",
        .password_is = "SMTP password, which is not the secret access key",
        .spf = "include:amazonses.com",
        .own_envelope = true,
        .hint = "SMTP credentials belong to one region; in the sandbox mail goes to verified "
                "addresses alone",
    },
    {
        .name = "sendgrid",
        .title = "SendGrid",
        .host = "smtp.sendgrid.net",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user = "apikey",
        .user_is = "user name",
        .password_is = "API key, with access to Mail Send",
        .spf = "include:sendgrid.net",
        .own_envelope = true,
    },
    {
        .name = "sendgrid-eu",
        .title = "SendGrid (EU)",
        .host = "smtp.eu.sendgrid.net",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user = "apikey",
        .user_is = "user name",
        .password_is = "API key of an EU subuser, with access to Mail Send",
        .spf = "include:sendgrid.net",
        .own_envelope = true,
    },
    {
        .name = "postmark",
        .title = "Postmark",
        .host = "smtp.postmarkapp.com",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user_is = "server API token",
        .password_is = "same token once more",
        .spf = "include:spf.mtasv.net",
        .own_envelope = true,
    },
    {
        .name = "brevo",
        .title = "Brevo",
        .host = "smtp-relay.brevo.com",
        .other = "smtp-relay.sendinblue.com",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user_is = "SMTP login",
        .password_is = "SMTP key, which is no API key",
        .spf = "include:spf.brevo.com",
        .own_envelope = true,
    },
    {
        .name = "gmail",
        .title = "Gmail",
        .host = "smtp.gmail.com",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user_is = "address",
        .password_is = "app password, without its spaces",
        .spf = "include:_spf.google.com",
        .own_sender = true,
        .hint = "app passwords need 2-step verification; Gmail puts this account into From: unless "
                "the address is an alias of it",
    },
    {
        .name = "google-workspace",
        .title = "Google Workspace (SMTP relay)",
        .host = "smtp-relay.gmail.com",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user_is = "address",
        .password_is = "app password, without its spaces",
        .spf = "include:_spf.google.com",
        .hint = "the SMTP relay service has to be switched on in the admin console, with SMTP "
                "authentication required",
    },
    {
        .name = "microsoft365",
        .title = "Microsoft 365",
        .host = "smtp.office365.com",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user_is = "address",
        .password_is = "password",
        .spf = "include:spf.protection.outlook.com",
        .own_sender = true,
        .hint = "SMTP AUTH has to be enabled for the mailbox; passwords end there, by and by: then "
                "it is auth = xoauth2, with password_command",
    },
    {
        .name = "fastmail",
        .title = "Fastmail",
        .host = "smtp.fastmail.com",
        .port = 465,
        .tls = TLS_IMPLICIT,
        .user_is = "address",
        .password_is = "app password for SMTP",
        .spf = "include:spf.messagingengine.com",
        .own_sender = true,
    },
    {
        .name = "scaleway",
        .title = "Scaleway TEM",
        .host = "smtp.tem.scaleway.com",
        .other = "smtp.tem.scw.cloud",
        .port = 587,
        .tls = TLS_STARTTLS,
        .user_is = "project ID",
        .password_is = "secret key of an API key",
        .spf = "include:_spf.tem.scaleway.com",
    },
    {
        .name = "ovh",
        .title = "OVHcloud",
        .host = "ssl0.ovh.net",
        .other = "smtp.mail.ovh.net",
        .port = 465,
        .tls = TLS_IMPLICIT,
        .user_is = "address",
        .password_is = "password",
        .spf = "include:mx.ovh.com",
        .own_sender = true,
    },
    {.name = NULL}};

const struct provider *provider_all(void)
{
    return providers;
}

const struct provider *provider_find(const char *name)
{
    for (const struct provider *provider = providers; provider->name; provider++)
        if (text_equal(provider->name, name))
            return provider;
    return NULL;
}

static bool is_host_of(const struct provider *provider, const char *host)
{
    if (provider->other && text_equal(provider->other, host))
        return true;
    const char *gap = strstr(provider->host, "%s");
    if (!gap)
        return text_equal(provider->host, host);
    size_t before = (size_t)(gap - provider->host), length = strlen(host);
    const char *after = gap + 2;
    return length > before + strlen(after) && strncmp(provider->host, host, before) == 0 &&
           text_equal(host + length - strlen(after), after);
}

const struct provider *provider_of_host(const char *host)
{
    for (const struct provider *provider = providers; provider->name; provider++)
        if (is_host_of(provider, host))
            return provider;
    return NULL;
}
