/* See provider.h. From the providers' own documents. */
#include "config/provider.h"

#include <string.h>

#include "base/text.h"

static const struct provider providers[] = {
    {"mailgun", "Mailgun (US)", "smtp.mailgun.org", NULL, 587, TLS_STARTTLS, "postmaster@%s",
     "SMTP login", "SMTP password of the sending domain", "include:mailgun.org"},
    {"mailgun-eu", "Mailgun (EU)", "smtp.eu.mailgun.org", NULL, 587, TLS_STARTTLS, "postmaster@%s",
     "SMTP login", "SMTP password of the sending domain", "include:mailgun.org"},
    {"ses", "Amazon SES", "email-smtp.%s.amazonaws.com", "eu-west-1", 587, TLS_STARTTLS, NULL,
     "SMTP user name", "SMTP password (not the secret access key)", "include:amazonses.com"},
    {"sendgrid", "SendGrid", "smtp.sendgrid.net", NULL, 587, TLS_STARTTLS, "apikey", "user name",
     "API key", "include:sendgrid.net"},
    {"postmark", "Postmark", "smtp.postmarkapp.com", NULL, 587, TLS_STARTTLS, NULL,
     "server API token", "server API token once more", "include:spf.mtasv.net"},
    {"brevo", "Brevo", "smtp-relay.brevo.com", NULL, 587, TLS_STARTTLS, NULL, "SMTP login",
     "SMTP key", "include:spf.brevo.com"},
    {"gmail", "Gmail, Google Workspace", "smtp.gmail.com", NULL, 587, TLS_STARTTLS, NULL, "address",
     "app password", "include:_spf.google.com"},
    {"microsoft365", "Microsoft 365", "smtp.office365.com", NULL, 587, TLS_STARTTLS, NULL,
     "address", "password", "include:spf.protection.outlook.com"},
    {"fastmail", "Fastmail", "smtp.fastmail.com", NULL, 465, TLS_IMPLICIT, NULL, "address",
     "app password", "include:spf.messagingengine.com"},
    {"scaleway", "Scaleway TEM", "smtp.tem.scaleway.com", NULL, 587, TLS_STARTTLS, NULL,
     "project ID", "secret key of an API key", "include:_spf.tem.scaleway.com"},
    {"ovh", "OVHcloud", "ssl0.ovh.net", NULL, 465, TLS_IMPLICIT, NULL, "address", "password",
     "include:mx.ovh.com"},
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
