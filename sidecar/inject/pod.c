// SPDX-License-Identifier: Apache-2.0
/*
 * One pod: the sidecar goes in front of its init containers, what processAccess wants beside it into the spec, and one annotation
 * keeps what was there before and would else be forgotten: whether a list or map was empty, null or missing, and the fields
 * that processAccess sets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inject/work.h"

struct pod {
	struct place at, spec, metadata, annotations;
	struct place init_containers, volumes;
	struct place mark;   /* the annotation */
	struct place own;    /* the init container of our name */
	struct place other;  /* any other container of our name */
	struct place volume; /* the volume of our name */
};

static const char *text_of(const struct work *work, const char *pointer)
{
	return yyjson_get_str(yyjson_ptr_get(work->sidecar, pointer));
}

/* Finds the item of that name in a list of the pod's spec. */
static int find_named(struct work *work, const struct place *list, const char *name,
		      struct place *ret_found)
{
	struct place item, item_name;
	yyjson_mut_val *value;
	size_t i, count;
	int err;

	err = place_want_list(work, list);
	if (err)
		return err;
	yyjson_mut_arr_foreach(list->value, i, count, value)
	{
		item = place_item(list, i, value);
		if (!yyjson_mut_is_obj(value))
			return work_refuse(work, &item, "it is not an object", NULL);
		err = place_member(work, &item, "name", &item_name);
		if (err)
			return err;
		if (yyjson_mut_equals_str(item_name.value, name))
			*ret_found = item;
	}
	return 0;
}

static int read_lists(struct work *work, struct pod *pod)
{
	const char *container = text_of(work, "/container/name");
	const char *volume = text_of(work, "/processAccess/hostProc/volume/name");
	struct place list;
	int err;

	err = place_member(work, &pod->spec, "containers", &list);
	if (!err && !place_there(&list))
		err = work_refuse(work, &list, "it is missing", NULL);
	if (!err)
		err = find_named(work, &list, container, &pod->other);
	if (!err)
		err = place_member(work, &pod->spec, "ephemeralContainers", &list);
	if (!err)
		err = find_named(work, &list, container, &pod->other);
	if (!err)
		err = place_member(work, &pod->spec, "initContainers", &pod->init_containers);
	if (!err)
		err = find_named(work, &pod->init_containers, container, &pod->own);
	if (!err)
		err = place_member(work, &pod->spec, "volumes", &pod->volumes);
	if (!err)
		err = find_named(work, &pod->volumes, volume, &pod->volume);
	return err;
}

static int read_pod(struct work *work, const struct place *at, struct pod *pod)
{
	int err;

	*pod = (struct pod){.at = *at};
	err = place_member(work, at, "spec", &pod->spec);
	if (!err && !place_there(&pod->spec))
		err = work_refuse(work, &pod->spec, "it is missing", NULL);
	if (!err)
		err = place_want_object(work, &pod->spec);
	if (!err)
		err = place_member(work, at, "metadata", &pod->metadata);
	if (!err)
		err = place_want_object(work, &pod->metadata);
	if (!err)
		err = place_member(work, &pod->metadata, "annotations", &pod->annotations);
	if (!err)
		err = place_want_object(work, &pod->annotations);
	if (!err)
		err = place_member(work, &pod->annotations, text_of(work, "/injected"), &pod->mark);
	return err ? err : read_lists(work, pod);
}

/* Whether a rule of `leaveAlone` holds: *ret_why, else NULL. */
static int find_rule(struct work *work, const struct pod *pod, const char **ret_why)
{
	yyjson_val *rule;
	size_t i, count;

	*ret_why = NULL;
	yyjson_arr_foreach(yyjson_obj_get(work->sidecar, "leaveAlone"), i, count, rule)
	{
		yyjson_val *is = yyjson_obj_get(rule, "is");
		struct place field;
		int err;

		err = place_walk(work, &pod->spec, yyjson_get_str(yyjson_obj_get(rule, "field")),
				 &field);
		if (err)
			return err;
		if (yyjson_is_bool(is)
			    ? yyjson_mut_is_bool(field.value) &&
				      yyjson_mut_get_bool(field.value) == yyjson_get_bool(is)
			    : yyjson_mut_equals_str(field.value, yyjson_get_str(is))) {
			*ret_why = yyjson_get_str(yyjson_obj_get(rule, "why"));
			return 0;
		}
	}
	return 0;
}

/* A copy for the memory where it is null or has no members; NULL: it need not be remembered. */
static yyjson_mut_val *copy_empty(yyjson_mut_doc *doc, const struct place *place)
{
	yyjson_mut_val *value = place->value;

	if (!value || (yyjson_mut_is_ctn(value) && unsafe_yyjson_get_len(value)))
		return NULL;
	return yyjson_mut_val_mut_copy(doc, value);
}

static int remember_fields(struct work *work, const struct pod *pod, yyjson_mut_doc *memory)
{
	yyjson_val *variant, *name, *key, *value;
	size_t i, j, count, fields;

	yyjson_obj_foreach(yyjson_obj_get(work->sidecar, "processAccess"), i, count, name, variant)
	{
		yyjson_obj_foreach(yyjson_obj_get(variant, "spec"), j, fields, key, value)
		{
			struct place field;
			int err = place_member(work, &pod->spec, yyjson_get_str(key), &field);

			if (err)
				return err;
			if (place_there(&field) && !yyjson_mut_is_bool(field.value))
				return work_refuse(work, &field, "it is not true or false", NULL);
			if (field.value &&
			    !place_set(memory, yyjson_mut_doc_get_root(memory), yyjson_get_str(key),
				       yyjson_mut_val_mut_copy(memory, field.value)))
				return -ENOMEM;
		}
	}
	return 0;
}

/* The annotation's value. */
static int remember(struct work *work, const struct pod *pod, yyjson_mut_val **ret_text)
{
	const struct place *const places[] = {&pod->metadata, &pod->annotations,
					      &pod->init_containers, &pod->volumes};
	static const char *const names[] = {"metadata", "annotations", "initContainers", "volumes"};
	yyjson_mut_doc *memory = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(memory), *value;
	char *text = NULL;
	int err = root ? 0 : -ENOMEM;

	yyjson_mut_doc_set_root(memory, root);
	for (size_t i = 0; !err && i < sizeof(places) / sizeof(places[0]); i++) {
		value = copy_empty(memory, places[i]);
		if (value && !yyjson_mut_obj_add_val(memory, root, names[i], value))
			err = -ENOMEM;
	}
	if (!err)
		err = remember_fields(work, pod, memory);
	if (!err) {
		text = yyjson_mut_write(memory, 0, NULL);
		*ret_text = yyjson_mut_strcpy(work->doc, text);
		err = *ret_text ? 0 : -ENOMEM;
	}
	free(text);
	yyjson_mut_doc_free(memory);
	return err;
}

/* The object or list at that place: made where there is none. NULL: no memory. */
static yyjson_mut_val *make(struct work *work, const struct place *object, const char *key,
			    struct place *place, yyjson_mut_val *empty)
{
	if (!place_there(place)) {
		if (!place_set(work->doc, object->value, key, empty))
			return NULL;
		/* In the place of a null it is the null's node that holds it now. */
		place->value = yyjson_mut_obj_get(object->value, key);
	}
	return place->value;
}

static bool set_access(struct work *work, struct pod *pod)
{
	yyjson_val *access = sidecar_access(work), *volume;
	yyjson_mut_doc *doc = work->doc;

	if (!place_set_all(doc, pod->spec.value, yyjson_obj_get(access, "spec")))
		return false;
	volume = yyjson_obj_get(access, "volume");
	return !volume ||
	       (make(work, &pod->spec, "volumes", &pod->volumes, yyjson_mut_arr(doc)) &&
		yyjson_mut_arr_append(pod->volumes.value, yyjson_val_mut_copy(doc, volume)));
}

static int put_in(struct work *work, struct pod *pod)
{
	yyjson_mut_doc *doc = work->doc;
	yyjson_mut_val *container, *memory;
	int err;

	err = sidecar_container(work, &pod->annotations, &container);
	if (!err)
		err = remember(work, pod, &memory);
	if (err)
		return err;
	if (!make(work, &pod->at, "metadata", &pod->metadata, yyjson_mut_obj(doc)) ||
	    !make(work, &pod->metadata, "annotations", &pod->annotations, yyjson_mut_obj(doc)) ||
	    !place_set(doc, pod->annotations.value, text_of(work, "/injected"), memory) ||
	    !make(work, &pod->spec, "initContainers", &pod->init_containers, yyjson_mut_arr(doc)) ||
	    !yyjson_mut_arr_prepend(pod->init_containers.value, container) ||
	    !set_access(work, pod))
		return -ENOMEM;
	return 0;
}

static int inject(struct work *work, struct pod *pod)
{
	const char *why;
	int err;

	err = find_rule(work, pod, &why);
	if (err)
		return err;
	if (!why && pod->mark.value && pod->own.value)
		why = "it has the sidecar already";
	if (why) {
		work->change->left_alone(work->object, why);
		return 0;
	}
	if (pod->mark.value)
		return work_refuse(work, &pod->mark,
				   "it says that the sidecar is there, and it is not",
				   "leave the annotation out");
	if (pod->own.value || pod->other.value)
		return work_refuse(work, pod->own.value ? &pod->own : &pod->other,
				   "a container of the sidecar's name is there already",
				   "give it another name");
	if (pod->volume.value && yyjson_obj_get(sidecar_access(work), "volume"))
		return work_refuse(work, &pod->volume,
				   "a volume of the sidecar's name is there already",
				   "give it another name");
	return put_in(work, pod);
}

/* Where nothing is left at that place: what was there before, or nothing. False: no memory. */
static bool give_back(struct work *work, const struct place *object, const char *key,
		      const struct place *place, yyjson_val *memory)
{
	yyjson_val *before = yyjson_obj_get(memory, key);

	if (place_there(place) && unsafe_yyjson_get_len(place->value))
		return true;
	if (before)
		return place_set(work->doc, object->value, key,
				 yyjson_val_mut_copy(work->doc, before));
	yyjson_mut_obj_remove_key(object->value, key);
	return true;
}

static bool give_fields_back(struct work *work, const struct pod *pod, yyjson_val *memory)
{
	yyjson_val *variant, *name, *key, *value;
	const struct place nothing = {NULL, ""};
	size_t i, j, count, fields;

	yyjson_obj_foreach(yyjson_obj_get(work->sidecar, "processAccess"), i, count, name, variant)
	{
		yyjson_obj_foreach(yyjson_obj_get(variant, "spec"), j, fields, key, value)
		{
			if (!give_back(work, &pod->spec, yyjson_get_str(key), &nothing, memory))
				return false;
		}
	}
	return true;
}

static void take_item(const struct place *list, const struct place *item)
{
	yyjson_mut_arr_iter iter;
	yyjson_mut_val *value;

	yyjson_mut_arr_iter_init(list->value, &iter);
	while ((value = yyjson_mut_arr_iter_next(&iter))) {
		if (value == item->value)
			yyjson_mut_arr_iter_remove(&iter);
	}
}

/* Whether the sidecar mounts the volume of our name: else that is somebody else's. */
static bool mounts_volume(const struct pod *pod)
{
	yyjson_mut_val *mounts = yyjson_mut_obj_get(pod->own.value, "volumeMounts"), *mount;
	yyjson_mut_val *name = yyjson_mut_obj_get(pod->volume.value, "name");
	size_t i, count;

	yyjson_mut_arr_foreach(mounts, i, count, mount)
	{
		if (name && yyjson_mut_equals(yyjson_mut_obj_get(mount, "name"), name))
			return true;
	}
	return false;
}

static bool take_out(struct work *work, const struct pod *pod, yyjson_val *memory)
{
	if (mounts_volume(pod)) {
		take_item(&pod->volumes, &pod->volume);
		if (!give_back(work, &pod->spec, "volumes", &pod->volumes, memory))
			return false;
	}
	take_item(&pod->init_containers, &pod->own);
	yyjson_mut_obj_remove_key(pod->annotations.value, text_of(work, "/injected"));
	return give_fields_back(work, pod, memory) &&
	       give_back(work, &pod->spec, "initContainers", &pod->init_containers, memory) &&
	       give_back(work, &pod->metadata, "annotations", &pod->annotations, memory) &&
	       give_back(work, &pod->at, "metadata", &pod->metadata, memory);
}

static int remove_again(struct work *work, struct pod *pod)
{
	yyjson_doc *memory;
	int err = 0;

	if (!pod->mark.value) {
		work->change->left_alone(work->object, "it has no sidecar that was injected");
		return 0;
	}
	memory = yyjson_read(yyjson_mut_get_str(pod->mark.value),
			     yyjson_mut_get_len(pod->mark.value), YYJSON_READ_NUMBER_AS_RAW);
	if (!yyjson_is_obj(yyjson_doc_get_root(memory)))
		err = work_refuse(work, &pod->mark, "it does not hold what was there before",
				  "put {} there, or take the sidecar out by hand");
	else if (!take_out(work, pod, yyjson_doc_get_root(memory)))
		err = -ENOMEM;
	yyjson_doc_free(memory);
	return err;
}

int pod_change(struct work *work, const struct place *at)
{
	struct pod pod;
	int err;

	err = read_pod(work, at, &pod);
	if (err)
		return err;
	return work->change->remove ? remove_again(work, &pod) : inject(work, &pod);
}
