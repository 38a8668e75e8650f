// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inject/work.h"

#define KEY_MAX 64 /* ours are all shorter */

int work_refuse(struct work *work, const struct place *place, const char *why, const char *todo)
{
	struct inject_trouble *trouble = work->trouble;

	memcpy(trouble->object, work->object, sizeof(trouble->object));
	snprintf(trouble->path, sizeof(trouble->path), "%s", place->path);
	snprintf(trouble->why, sizeof(trouble->why), "%s", why);
	trouble->todo = todo;
	return -EINVAL;
}

bool place_there(const struct place *place)
{
	return place->value && !yyjson_mut_is_null(place->value);
}

static int member(struct work *work, const struct place *object, const char *key, size_t length,
		  struct place *ret_place)
{
	yyjson_mut_obj_iter iter;
	yyjson_mut_val *name;
	bool twice = false;
	char path[sizeof(ret_place->path)];

	snprintf(path, sizeof(path), "%.120s%s%.*s", object->path, *object->path ? "." : "",
		 length < KEY_MAX ? (int)length : KEY_MAX, key);
	memcpy(ret_place->path, path, sizeof(path));
	iter = yyjson_mut_obj_iter_with(object->value);
	ret_place->value = NULL;
	while ((name = yyjson_mut_obj_iter_next(&iter))) {
		if (!yyjson_mut_equals_strn(name, key, length))
			continue;
		twice = ret_place->value != NULL;
		if (twice)
			break;
		ret_place->value = yyjson_mut_obj_iter_get_val(name);
	}
	return twice ? work_refuse(work, ret_place, "the key is there twice", "leave one out") : 0;
}

int place_member(struct work *work, const struct place *object, const char *key,
		 struct place *ret_place)
{
	return member(work, object, key, strlen(key), ret_place);
}

int place_walk(struct work *work, const struct place *from, const char *pointer,
	       struct place *ret_place)
{
	struct place at = *from;
	int err = 0;

	while (!err && *pointer == '/') {
		const char *key = pointer + 1;
		const size_t length = strcspn(key, "/");

		err = place_want_object(work, &at);
		if (!err)
			err = member(work, &at, key, length, &at);
		pointer = key + length;
	}
	*ret_place = at;
	return err;
}

struct place place_item(const struct place *list, size_t index, yyjson_mut_val *item)
{
	struct place place = {.value = item};

	snprintf(place.path, sizeof(place.path), "%.120s[%zu]", list->path, index);
	return place;
}

int place_want_object(struct work *work, const struct place *place)
{
	if (!place_there(place) || yyjson_mut_is_obj(place->value))
		return 0;
	return work_refuse(work, place, "it is not an object", NULL);
}

int place_want_list(struct work *work, const struct place *place)
{
	if (!place_there(place) || yyjson_mut_is_arr(place->value))
		return 0;
	return work_refuse(work, place, "it is not a list", NULL);
}

bool place_set(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, yyjson_mut_val *value)
{
	yyjson_mut_val *name = yyjson_mut_strcpy(doc, key);

	if (!name || !value)
		return false;
	return yyjson_mut_obj_get(object, key) ? yyjson_mut_obj_replace(object, name, value)
					       : yyjson_mut_obj_add(object, name, value);
}

bool place_set_all(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *members)
{
	yyjson_val *key, *value;
	size_t i, count;

	yyjson_obj_foreach(members, i, count, key, value)
	{
		if (!place_set(doc, object, yyjson_get_str(key), yyjson_val_mut_copy(doc, value)))
			return false;
	}
	return true;
}
