// SPDX-License-Identifier: Apache-2.0
/* The container of sidecar.json, as the options and the pod's annotations want it. */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "inject/work.h"

static const unsigned char sidecar_json[] = {
#include <sidecar_json.h> /* from helm/ringside/files/sidecar.json */
};

yyjson_doc *sidecar_read(void)
{
	return yyjson_read((const char *)sidecar_json, sizeof(sidecar_json), 0);
}

bool inject_knows_access(const char *name)
{
	yyjson_doc *doc = sidecar_read();
	const bool knows =
		yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc), "processAccess"), name);

	yyjson_doc_free(doc);
	return knows;
}

yyjson_val *sidecar_access(const struct work *work)
{
	yyjson_val *all = yyjson_obj_get(work->sidecar, "processAccess");
	const char *name = work->change->process_access;

	return name ? yyjson_obj_get(all, name)
		    : unsafe_yyjson_get_next(unsafe_yyjson_get_first(all));
}

/* Gives the variable its value in its place, or at the list's end. False: no memory. */
static bool set_variable(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name,
			 const char *value)
{
	yyjson_mut_val *env = yyjson_mut_obj_get(container, "env"), *entry;
	size_t i, count;

	yyjson_mut_arr_foreach(env, i, count, entry)
	{
		if (yyjson_mut_equals_str(yyjson_mut_obj_get(entry, "name"), name))
			return place_set(doc, entry, "value", yyjson_mut_strcpy(doc, value));
	}
	entry = yyjson_mut_arr_add_obj(doc, env);
	return entry && yyjson_mut_obj_add_strcpy(doc, entry, "name", name) &&
	       yyjson_mut_obj_add_strcpy(doc, entry, "value", value);
}

/*
 * A variable at the list's end that is filled from the secret. It is left out where that is not there: an observer must not
 * keep a pod from starting.
 */
static bool add_reference(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name,
			  const char *secret, const char *key)
{
	yyjson_mut_val *entry, *reference;

	entry = yyjson_mut_arr_add_obj(doc, yyjson_mut_obj_get(container, "env"));
	if (!entry || !yyjson_mut_obj_add_str(doc, entry, "name", name))
		return false;
	reference = yyjson_mut_obj_add_obj(doc, entry, "valueFrom");
	reference = yyjson_mut_obj_add_obj(doc, reference, "secretKeyRef");
	return reference && yyjson_mut_obj_add_str(doc, reference, "name", secret) &&
	       yyjson_mut_obj_add_str(doc, reference, "key", key) &&
	       yyjson_mut_obj_add_true(doc, reference, "optional");
}

static bool apply_trust(yyjson_mut_doc *doc, yyjson_mut_val *container,
			const struct inject_change *change)
{
	const char *client = change->tls_client_secret, *token = change->token_secret;

	return (!change->tls_ca ||
		set_variable(doc, container, "RINGSIDE_TLS_CA", change->tls_ca)) &&
	       (!change->insecure || set_variable(doc, container, "RINGSIDE_INSECURE", "1")) &&
	       (!client ||
		(add_reference(doc, container, "RINGSIDE_TLS_CERT", client, "tls.crt") &&
		 add_reference(doc, container, "RINGSIDE_TLS_KEY", client, "tls.key"))) &&
	       (!token || add_reference(doc, container, "RINGSIDE_TOKEN", token, "token"));
}

static bool apply_change(struct work *work, yyjson_mut_val *container)
{
	const struct inject_change *change = work->change;
	const char *repository = yyjson_mut_get_str(yyjson_mut_obj_get(container, "image"));
	char image[128];

	if (!place_set_all(work->doc, container, yyjson_obj_get(sidecar_access(work), "container")))
		return false;
	snprintf(image, sizeof(image), "%s:" RINGSIDE_VERSION, repository);
	if (!place_set(work->doc, container, "image",
		       yyjson_mut_strcpy(work->doc, change->image ? change->image : image)))
		return false;
	if (change->collector &&
	    !set_variable(work->doc, container, "RINGSIDE_COLLECTOR", change->collector))
		return false;
	return apply_trust(work->doc, container, change);
}

/* 0, -EINVAL: another text than the pattern wants, -ENOMEM. */
static int match(const char *pattern, yyjson_mut_val *text)
{
	regex_t regex;
	int err;

	if (strlen(yyjson_mut_get_str(text)) != yyjson_mut_get_len(text))
		return -EINVAL;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return -ENOMEM;
	err = regexec(&regex, yyjson_mut_get_str(text), 0, NULL, 0);
	regfree(&regex);
	return err ? -EINVAL : 0;
}

/* One entry of `overrides`: what an annotation may say, and the places that take its text. */
static int apply_override(struct work *work, const struct place *annotations,
			  const char *annotation, yyjson_val *override, yyjson_mut_val *container)
{
	struct place given;
	yyjson_val *pointer;
	size_t i, count;
	int err;

	err = place_member(work, annotations, annotation, &given);
	if (err || !place_there(&given))
		return err;
	if (!yyjson_mut_is_str(given.value))
		return work_refuse(work, &given, "it is not a text", NULL);
	if (!yyjson_mut_get_len(given.value))
		return 0;
	err = match(yyjson_get_str(yyjson_obj_get(override, "pattern")), given.value);
	if (err == -EINVAL)
		return work_refuse(work, &given, yyjson_get_str(yyjson_obj_get(override, "why")),
				   NULL);
	if (err)
		return err;
	yyjson_arr_foreach(yyjson_obj_get(override, "places"), i, count, pointer)
	{
		yyjson_mut_val *text =
			yyjson_mut_strncpy(work->doc, yyjson_mut_get_str(given.value),
					   yyjson_mut_get_len(given.value));

		if (!text || !yyjson_mut_ptr_replace(container, yyjson_get_str(pointer), text))
			return -ENOMEM;
	}
	return 0;
}

int sidecar_container(struct work *work, const struct place *annotations,
		      yyjson_mut_val **ret_container)
{
	yyjson_mut_val *container =
		yyjson_val_mut_copy(work->doc, yyjson_obj_get(work->sidecar, "container"));
	yyjson_val *annotation, *override;
	size_t i, count;
	int err = 0;

	if (!container || !apply_change(work, container))
		return -ENOMEM;
	yyjson_obj_foreach(yyjson_obj_get(work->sidecar, "overrides"), i, count, annotation,
			   override)
	{
		if (!err)
			err = apply_override(work, annotations, yyjson_get_str(annotation),
					     override, container);
	}
	*ret_container = container;
	return err;
}
