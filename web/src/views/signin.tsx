import { useRef } from "preact/hooks";
import { Logo } from "../parts/icons";
import { Notice } from "../parts/ui";

export function SignIn({ refused, onToken }: { refused: boolean; onToken: (token: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <main class="signin">
      <form onSubmit={(e) => {
        e.preventDefault();
        const token = field.current?.value.trim();
        if (token) onToken(token);
      }}>
        <Logo />
        <h1>Village</h1>
        {refused && <Notice bad text="The gateway does not accept this token." />}
        <label for="token">Access token</label>
        <input id="token" ref={field} type="password" autocomplete="off" autocapitalize="off" spellcheck={false} required autofocus />
        <button type="submit" class="primary">Open the dashboard</button>
        <p class="faint">
          It stands in <code>gateway.json</code> in the data folder of the node, and in the address that <code>village up</code> prints.
          It stays in this tab and is forgotten when you close it.
        </p>
      </form>
    </main>
  );
}
