/*
 * text/json.cc: the fields of a line of JSON. See json.h. No exception leaves a function here.
 *
 * simdjson's On-Demand finds where tokens begin, and checks UTF-8 and control characters, for the
 * whole line. It does not check values that nobody asks for. So the walk below visits each value,
 * and checks its token.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/json.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <simdjson.h>
#include <string_view>

namespace
{

using namespace simdjson;

/* A name, and how much of it the objects around the present one stand for. */
struct wanted_name {
	const char *data;
	size_t len;
	size_t from;
	int depth; /* of the object of which the rest, from there on, may be a member */
};

} // namespace

struct leat_json {
	ondemand::parser parser;
	wanted_name *names = nullptr;
	leat_texts texts = {}; /* of the names */
	leat_buffer padded = {}; /* the line, with the bytes behind it that simdjson may read */
	const char *line = nullptr;
	size_t len = 0;
	leat_text *fields = nullptr;
	~leat_json()
	{
		free(names);
		leat_texts_free(&texts);
		free(padded.data);
	}
};

namespace
{

/* What is in the padded copy is in the line at the same place. */
leat_text text_of(const leat_json *json, std::string_view view)
{
	const char *data = view.data();

	if (data >= json->padded.data && data <= json->padded.data + json->len)
		data = json->line + (data - json->padded.data);
	return { view.empty() ? "" : data, view.size() };
}

std::string_view cut_blanks(std::string_view token)
{
	const char *data = token.data();
	size_t len = token.size();

	while (len > 0 && (data[len - 1] == ' ' || data[len - 1] == '\t' || data[len - 1] == '\r' ||
	                   data[len - 1] == '\n'))
		len--;
	return token.substr(0, len);
}

size_t count_figures(std::string_view token, size_t at)
{
	size_t from = at;

	while (at < token.size() && token[at] >= '0' && token[at] <= '9')
		at++;
	return at - from;
}

bool is_number(std::string_view token)
{
	size_t at = token[0] == '-', figures = count_figures(token, at);

	if (figures == 0 || (figures > 1 && token[at] == '0'))
		return false;
	at += figures;
	if (at < token.size() && token[at] == '.') {
		figures = count_figures(token, at + 1);
		at += 1 + figures;
	}
	if (figures != 0 && at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
		at++;
		at += at < token.size() && (token[at] == '+' || token[at] == '-');
		figures = count_figures(token, at);
		at += figures;
	}
	return figures != 0 && at == token.size();
}

error_code read_string(ondemand::value value, std::string_view token, std::string_view *text)
{
	if (token.size() < 2 || token.back() != '"')
		return TAPE_ERROR;
	*text = token.substr(1, token.size() - 2);
	if (memchr(text->data(), '\\', text->size()) == nullptr)
		return SUCCESS;
	return value.get_string().get(*text);
}

error_code read_scalar(ondemand::value value, std::string_view *text)
{
	std::string_view token = cut_blanks(value.raw_json_token());

	*text = token;
	if (token.empty())
		return TAPE_ERROR;
	if (token[0] == '"')
		return read_string(value, token, text);
	if (token == "true" || token == "false")
		return SUCCESS;
	if (token == "null") {
		*text = token.substr(4);
		return SUCCESS;
	}
	return is_number(token) ? SUCCESS : NUMBER_ERROR;
}

error_code read_key(ondemand::field &field, std::string_view *key)
{
	const char *raw = field.key().raw(), *end = raw;

	while (*end != '"' && *end != '\\')
		end++;
	*key = std::string_view(raw, (size_t)(end - raw));
	return *end == '"' ? SUCCESS : field.unescaped_key().get(*key);
}

struct json_walk {
	leat_json *json;
	ondemand::document &document;

	error_code object(ondemand::object object, int depth, int nesting);
	error_code array(ondemand::array array, int nesting);
	error_code value(ondemand::value value, int depth, int nesting, std::string_view *text);
	error_code member(ondemand::field &field, int depth, int nesting);
	bool enter(std::string_view key, int depth);
	void leave(std::string_view key, int depth);
	void give(std::string_view key, int depth, std::string_view text);
};

/* Whether the rest of the name begins with the key, and a dot behind it. */
bool leads_through(const wanted_name &name, std::string_view key)
{
	return name.len - name.from > key.size() && name.data[name.from + key.size()] == '.' &&
	       memcmp(name.data + name.from, key.data(), key.size()) == 0;
}

/* Names that lead through the member are looked for in it, and not in this object meanwhile. */
bool json_walk::enter(std::string_view key, int depth)
{
	bool any = false;

	for (size_t i = 0; i < json->texts.count; i++) {
		wanted_name &name = json->names[i];
		if (name.depth != depth || !leads_through(name, key))
			continue;
		name.from += key.size() + 1;
		name.depth = depth + 1;
		any = true;
	}
	return any;
}

void json_walk::leave(std::string_view key, int depth)
{
	for (size_t i = 0; i < json->texts.count; i++) {
		wanted_name &name = json->names[i];
		if (name.depth != depth + 1)
			continue;
		name.from -= key.size() + 1;
		name.depth = depth;
	}
}

void json_walk::give(std::string_view key, int depth, std::string_view text)
{
	for (size_t i = 0; i < json->texts.count; i++) {
		const wanted_name &name = json->names[i];
		if (name.depth == depth && name.len - name.from == key.size() &&
		    memcmp(name.data + name.from, key.data(), key.size()) == 0)
			json->fields[i] = text_of(json, text);
	}
}

/* depth: of the object that the value is; -1 if no name leads through it. */
error_code json_walk::value(ondemand::value value, int depth, int nesting, std::string_view *text)
{
	ondemand::json_type type;
	auto error = value.type().get(type);

	if (error)
		return error;
	if (type != ondemand::json_type::object && type != ondemand::json_type::array)
		return read_scalar(value, text);
	if (nesting == LEAT_JSON_DEPTH)
		return DEPTH_ERROR;
	const char *start = value.raw_json_token().data(), *end = nullptr;
	if (type == ondemand::json_type::array) {
		ondemand::array inside;
		error = value.get_array().get(inside);
		if (!error)
			error = array(inside, nesting + 1);
	} else {
		ondemand::object inside;
		error = value.get_object().get(inside);
		if (!error)
			error = object(inside, depth, nesting + 1);
	}
	/* The next token is that of the object or array around this one. */
	if (!error)
		error = document.current_location().get(end);
	if (error)
		return error;
	*text = cut_blanks(std::string_view(start, (size_t)(end - start)));
	return SUCCESS;
}

error_code json_walk::array(ondemand::array array, int nesting)
{
	for (auto element : array) {
		ondemand::value inside;
		std::string_view text;
		auto error = element.get(inside);
		if (!error)
			error = value(inside, -1, nesting, &text);
		if (error)
			return error;
	}
	return SUCCESS;
}

error_code json_walk::member(ondemand::field &field, int depth, int nesting)
{
	std::string_view key, text;
	auto error = read_key(field, &key);

	if (error)
		return error;
	bool entered = depth >= 0 && enter(key, depth);
	error = value(field.value(), entered ? depth + 1 : -1, nesting, &text);
	if (entered)
		leave(key, depth);
	if (!error && depth >= 0)
		give(key, depth, text);
	return error;
}

error_code json_walk::object(ondemand::object object, int depth, int nesting)
{
	for (auto result : object) {
		ondemand::field field;
		auto error = std::move(result).get(field);
		if (!error)
			error = member(field, depth, nesting);
		if (error)
			return error;
	}
	return SUCCESS;
}

error_code read_line(leat_json *json)
{
	ondemand::document document;
	ondemand::object object;
	auto error = json->parser.iterate(json->padded.data, json->len, json->padded.size).get(document);

	if (!error)
		error = document.get_object().get(object);
	if (error)
		return error;
	for (size_t i = 0; i < json->texts.count; i++) {
		json->names[i].from = 0;
		json->names[i].depth = 0;
	}
	error = json_walk{ json, document }.object(object, 0, 1);
	if (error)
		return error;
	/* Only at the end of the line there is no location. */
	return document.current_location().error() == OUT_OF_BOUNDS ? SUCCESS : TRAILING_CONTENT;
}

bool copy_padded(leat_json *json, leat_text line)
{
	if (leat_buffer_grow(&json->padded, line.len + SIMDJSON_PADDING) != 0)
		return false;
	if (line.len != 0)
		memcpy(json->padded.data, line.data, line.len);
	memset(json->padded.data + line.len, 0, SIMDJSON_PADDING);
	json->line = line.data;
	json->len = line.len;
	return true;
}

bool copy_names(leat_json *json, const leat_text *names, size_t count)
{
	json->names = static_cast<wanted_name *>(calloc(count + 1, sizeof(*json->names)));
	if (json->names == nullptr || leat_texts_copy(&json->texts, names, count) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		json->names[i].data = json->texts.list[i].data;
		json->names[i].len = json->texts.list[i].len;
	}
	return true;
}

} // namespace

int leat_json_open(struct leat_json **opened, const struct leat_text *names, size_t count)
{
	try {
		*opened = new leat_json;
	} catch (const std::bad_alloc &) {
		*opened = nullptr;
		return -ENOMEM;
	}
	if (copy_names(*opened, names, count))
		return 0;
	leat_json_close(*opened);
	*opened = nullptr;
	return -ENOMEM;
}

void leat_json_close(struct leat_json *json)
{
	delete json;
}

int leat_json_read(struct leat_json *json, struct leat_text line, struct leat_text *fields)
{
	leat_texts_clear(fields, json->texts.count);
	if (!copy_padded(json, line))
		return -ENOMEM;
	json->fields = fields;
	error_code error = read_line(json);
	if (!error)
		return 0;
	leat_texts_clear(fields, json->texts.count);
	return error == MEMALLOC ? -ENOMEM : -EBADMSG;
}
