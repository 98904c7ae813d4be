/*
 * Dates as mail writes them (RFC 5322 3.3, RFC 4155). The names are tables here, so that no locale
 * of a caller has a say.
 */
#include "mail/date.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* A time that the C library cannot break down is shown as the beginning of 1970. */
static struct tm break_down(time_t when, struct tm *(*into)(const time_t *, struct tm *))
{
    struct tm parts = {.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
    struct tm result;
    return into(&when, &result) ? result : parts;
}

void date_format(time_t when, struct buffer *text)
{
    tzset();
    struct tm parts = break_down(when, localtime_r);
    long minutes = parts.tm_gmtoff / 60;
    char sign = minutes < 0 ? '-' : '+';
    if (minutes < 0)
        minutes = -minutes;
    buffer_format(text, "%s, %d %s %04ld %02d:%02d:%02d %c%02ld%02ld", days[parts.tm_wday],
                  parts.tm_mday, months[parts.tm_mon], 1900L + parts.tm_year, parts.tm_hour,
                  parts.tm_min, parts.tm_sec, sign, minutes / 60, minutes % 60);
}

void date_format_mbox(time_t when, struct buffer *text)
{
    struct tm parts = break_down(when, gmtime_r);
    buffer_format(text, "%s %s %2d %02d:%02d:%02d %04ld", days[parts.tm_wday], months[parts.tm_mon],
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, 1900L + parts.tm_year);
}

const char *date_brief(time_t when, char *space, size_t size)
{
    struct tm parts;
    if (!gmtime_r(&when, &parts) || !strftime(space, size, "%Y-%m-%d %H:%M UTC", &parts))
        return "some time";
    return space;
}

/* "25 Nov 2026 16:30:00 +0100" */
static bool parse_at(const char *text, time_t *when)
{
    char month[4], zone[6];
    struct tm parts = {0};
    if (sscanf(text, "%2d %3[A-Za-z] %4d %2d:%2d:%2d %5[-+0-9A-Z]", &parts.tm_mday, month,
               &parts.tm_year, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, zone) != 7)
        return false;
    while (parts.tm_mon < 12 && strcmp(months[parts.tm_mon], month) != 0)
        parts.tm_mon++;
    uint64_t offset = 0;
    bool numeric = zone[0] == '+' || zone[0] == '-';
    if (parts.tm_mon == 12 || parts.tm_year < 1970 ||
        (numeric ? strlen(zone) != 5 || !text_to_number(zone + 1, 0, 2359, &offset)
                 : strcmp(zone, "GMT") != 0 && strcmp(zone, "UTC") != 0))
        return false;
    parts.tm_year -= 1900;
    time_t seconds = (time_t)(offset / 100 * 3600 + offset % 100 * 60);
    *when = timegm(&parts) - (zone[0] == '-' ? -seconds : seconds);
    return true;
}

bool date_find(const char *text, time_t *when)
{
    for (const char *at = text; *at; at++)
        if (isdigit((unsigned char)*at) && (at == text || at[-1] == ' ') && parse_at(at, when))
            return true;
    return false;
}
