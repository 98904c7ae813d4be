/*
 * A message in a form that travels: walks its parts by their boundaries (RFC 2046 5.1), twice, and
 * lets each leaf be re-encoded by what it holds. Knows the tree; fields are changed in
 * mime_entity.c and mime_field.c, bodies in mime_encoder.c. Never holds more of a message than one
 * header.
 */
#include "mail/mime.h"

#include <string.h>

#include "mail/header.h"
#include "mail/mime_entity.h"
#include "mail/mime_field.h"
#include "mail/mime_reader.h"

enum {
    NESTING = 32,             /* parts within parts; deeper ones are left alone */
    HEADER_LARGEST = 8 << 20, /* bytes of one header */
    FLUSH_AT = 32 * 1024      /* bytes handed to the sink at once */
};

struct level {
    const char *boundary;
    size_t length;
};

struct walker {
    bool wide; /* bytes over 127 may stay */
    struct reader reader;
    struct reader ahead; /* looks at a leaf before it is handed on */
    bool (*sink)(void *context, const char *data, size_t length);
    void *context;
    struct buffer out;
    struct level levels[NESTING];
    size_t depth;     /* of levels */
    unsigned nesting; /* of levels and messages */
    struct outcome outcome;
};

/* Where a body ends: at a boundary of this level, counted from 1, or of none: with the message. */
struct edge {
    size_t level;
    bool closing;
};

/* A message, or a part of one. */
struct entity {
    struct header header;
    struct mime_type type;
    bool message; /* not a part */
    bool body;    /* something follows the header that is the entity's, not an edge */
    bool blank;   /* with an empty line in between */
};

static bool stop(struct walker *walker, struct outcome outcome)
{
    walker->outcome = outcome;
    return false;
}

static bool refuse(struct walker *walker, const char *what)
{
    return stop(walker, outcome_never("5.6.3", "the next hop takes only %s, and %s",
                                      walker->wide ? "short lines without NUL bytes"
                                                   : "7-bit text and short lines",
                                      what));
}

static bool flush(struct walker *walker, size_t at_least)
{
    if (walker->out.length < at_least || !walker->out.length)
        return true;
    if (walker->sink && !walker->sink(walker->context, walker->out.data, walker->out.length))
        return stop(walker, outcome_later("4.3.0", "the re-encoding of the message was stopped"));
    buffer_clear(&walker->out);
    return true;
}

/* Whether the piece is a line that ends the present part or one around it; the innermost counts. */
static bool is_edge(const struct walker *walker, const struct piece *piece, struct edge *edge)
{
    if (!piece->first || !piece->last || piece->length < 3 || memcmp(piece->data, "--", 2) != 0)
        return false;
    const char *line = piece->data + 2;
    size_t length = piece->length - 2;
    while (length && strchr(" \t\r\n", line[length - 1]) && line[length - 1])
        length--;
    for (size_t level = walker->depth; level; level--) {
        const struct level *outer = walker->levels + level - 1;
        if (length < outer->length || memcmp(line, outer->boundary, outer->length) != 0)
            continue;
        size_t rest = length - outer->length;
        bool closing = rest == 2 && memcmp(line + outer->length, "--", 2) == 0;
        if (rest && !closing)
            continue;
        *edge = (struct edge){.level = level, .closing = closing};
        return true;
    }
    return false;
}

/* The next piece of a body; false when it ended, *edge says with what. */
static bool next_piece(const struct walker *walker, struct reader *reader, struct piece *piece,
                       struct edge *edge)
{
    *edge = (struct edge){0};
    return reader_next(reader, piece) && !is_edge(walker, piece, edge);
}

static bool check_read(struct walker *walker, const struct reader *reader)
{
    if (!reader->error)
        return true;
    return stop(walker, outcome_errno(reader->error, "cannot read the message"));
}

/* Hands on what lies up to the next edge. */
static bool pass_body(struct walker *walker, enum mime_work work, struct content *content,
                      struct edge *edge)
{
    struct encoder encoder = {.work = work, .wide = walker->wide};
    struct piece piece;
    while (next_piece(walker, &walker->reader, &piece, edge)) {
        if (content)
            content_add(content, piece.data, piece.length);
        encoder_put(&encoder, piece.data, piece.length, &walker->out);
        if (!flush(walker, FLUSH_AT))
            return false;
    }
    encoder_end(&encoder, &walker->out);
    return check_read(walker, &walker->reader);
}

static bool is_empty_line(const struct piece *piece)
{
    return piece->data[0] == '\n' ||
           (piece->length == 2 && piece->data[0] == '\r' && piece->data[1] == '\n');
}

static bool may_be_header(const struct entity *entity, const struct piece *piece)
{
    if (entity->header.count && (piece->data[0] == ' ' || piece->data[0] == '\t'))
        return true;
    struct header probe = {0};
    bool may = header_take_line(&probe, piece->data, piece->length);
    /* The "From " line of a mbox may stand before a message, never before a part. */
    may = may && (probe.count || entity->message);
    header_free(&probe);
    return may;
}

/* A line whole, its first piece read already. */
static bool read_line(struct walker *walker, struct piece piece, struct buffer *line)
{
    buffer_clear(line);
    buffer_append(line, piece.data, piece.length);
    while (!piece.last && !line->failed && reader_next(&walker->reader, &piece))
        buffer_append(line, piece.data, piece.length);
    return check_read(walker, &walker->reader) &&
           (!line->failed || refuse(walker, "a header of it is too large to change"));
}

/* The lines that are a header. Stops behind the empty line, at a body without one, or at an edge.
 */
static bool read_header(struct walker *walker, struct entity *entity, struct edge *edge)
{
    struct buffer line = {.limit = HEADER_LARGEST};
    struct piece piece;
    size_t total = 0;
    bool good = true;
    uint64_t at = walker->reader.at;
    while (good && next_piece(walker, &walker->reader, &piece, edge)) {
        entity->blank = piece.last && is_empty_line(&piece);
        bool may = !entity->blank && may_be_header(entity, &piece);
        good = !may || read_line(walker, piece, &line);
        if (good && (!may || !header_take_line(&entity->header, line.data, line.length))) {
            entity->body = true;
            if (!entity->blank)
                reader_seek(&walker->reader, at);
            break;
        }
        total += line.length;
        if (good && total > HEADER_LARGEST)
            good = refuse(walker, "a header of it is too large to change");
        at = walker->reader.at;
    }
    buffer_free(&line);
    return good && check_read(walker, &walker->reader);
}

static void put_header(struct walker *walker, const struct header *header, bool blank)
{
    for (size_t i = 0; i < header->count; i++)
        mime_format_field(header->fields + i, walker->wide, &walker->out);
    if (blank)
        buffer_append_byte(&walker->out, '\n');
}

static void put_boundary(struct walker *walker, const struct edge *edge)
{
    buffer_append_text(&walker->out, "--");
    buffer_append_text(&walker->out, walker->levels[edge->level - 1].boundary);
    buffer_append_text(&walker->out, edge->closing ? "--\n" : "\n");
}

static void declare(const struct walker *walker, struct entity *entity, enum mime_work work,
                    const struct content *content)
{
    /* Where they may stay, what is said of bytes over 127 stays true. */
    entity->type.wide = entity->type.wide && !walker->wide;
    mime_declare(&entity->header, &entity->type, work, content, entity->message);
}

/* An entity that is not descended into. */
static bool walk_leaf(struct walker *walker, struct entity *entity, struct edge *edge)
{
    struct content content = {0};
    struct piece piece;
    enum mime_work work;
    reader_seek(&walker->ahead, walker->reader.at);
    while (next_piece(walker, &walker->ahead, &piece, edge))
        content_add(&content, piece.data, piece.length);
    if (!check_read(walker, &walker->ahead))
        return false;
    if (!mime_choose_work(&entity->type, &content, walker->wide, &work))
        return refuse(walker, "a part of it that is signed, encrypted or encoded in an unknown "
                              "way must not be changed");
    declare(walker, entity, work, &content);
    /* A body that follows without an empty line is still one as long as nobody changes it. */
    put_header(walker, &entity->header, entity->blank || work != MIME_COPY);
    if (!walker->sink) {
        reader_seek(&walker->reader, walker->ahead.at);
        return flush(walker, 0);
    }
    return pass_body(walker, work, NULL, edge);
}

static bool walk_entity(struct walker *walker, bool message, bool in_digest, struct edge *edge);

static bool walk_parts(struct walker *walker, const struct mime_type *type, struct edge *edge)
{
    struct content preamble = {0};
    size_t level = ++walker->depth;
    walker->levels[level - 1] =
        (struct level){.boundary = type->boundary, .length = strlen(type->boundary)};
    bool good = pass_body(walker, MIME_REPLACE, &preamble, edge);
    /* Without any part, readers show what should have been one. */
    if (good && edge->level != level && content_is_unfit(&preamble, walker->wide))
        good = refuse(walker, "a multipart body of it has no parts");
    while (good && edge->level == level && !edge->closing) {
        put_boundary(walker, edge);
        good = walk_entity(walker, false, type->digest, edge);
    }
    bool closed = good && edge->level == level;
    if (closed)
        put_boundary(walker, edge);
    walker->depth--;
    return good && (!closed || pass_body(walker, MIME_REPLACE, NULL, edge));
}

/* A header that is handed on before what comes behind it is looked at. */
static bool pass_header(struct walker *walker, struct entity *entity)
{
    declare(walker, entity, MIME_COPY, NULL);
    put_header(walker, &entity->header, entity->body);
    return flush(walker, FLUSH_AT);
}

/* What is inside a multipart or a message; its own header has been handed on and freed. */
static bool walk_inside(struct walker *walker, const struct mime_type *type, struct edge *edge)
{
    walker->nesting++;
    bool good = type->kind == MIME_MULTIPART ? walk_parts(walker, type, edge)
                                             : walk_entity(walker, true, false, edge);
    walker->nesting--;
    return good;
}

/* From the first line of its header to the edge behind its body. */
static bool walk_entity(struct walker *walker, bool message, bool in_digest, struct edge *edge)
{
    struct entity entity = {.message = message};
    bool inside = false;
    bool good = read_header(walker, &entity, edge);
    if (good) {
        entity.type = mime_type_of(&entity.header, in_digest);
        inside = entity.type.kind == MIME_MULTIPART || entity.type.kind == MIME_MESSAGE;
        if (inside && walker->nesting >= NESTING) {
            entity.type.kind = MIME_OPAQUE;
            inside = false;
        }
        inside = inside && entity.body;
        good = inside || !entity.body ? pass_header(walker, &entity)
                                      : walk_leaf(walker, &entity, edge);
    }
    header_free(&entity.header);
    if (good && inside)
        good = walk_inside(walker, &entity.type, edge);
    mime_type_free(&entity.type);
    return good;
}

static struct outcome walk(enum mime_form form, int fd, off_t start, uint64_t size,
                           bool (*sink)(void *context, const char *data, size_t length),
                           void *context)
{
    struct walker walker = {
        .wide = form == MIME_8BIT,
        .reader = {.fd = fd, .start = start, .size = size},
        .ahead = {.fd = fd, .start = start, .size = size},
        .sink = sink,
        .context = context,
        .outcome = outcome_done(),
    };
    struct edge edge;
    if (walk_entity(&walker, true, false, &edge))
        flush(&walker, 0);
    reader_free(&walker.reader);
    reader_free(&walker.ahead);
    buffer_free(&walker.out);
    return walker.outcome;
}

struct outcome mime_convert(enum mime_form form, int fd, off_t start, uint64_t size,
                            bool (*sink)(void *context, const char *data, size_t length),
                            void *context)
{
    struct outcome outcome = walk(form, fd, start, size, NULL, NULL);
    if (!outcome_good(&outcome) || !sink)
        return outcome;
    return walk(form, fd, start, size, sink, context);
}
